"""Damped Gauss-Newton (Levenberg-Marquardt) over any manifold: linearise, solve, retract, keep
only what lowers the cost."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from torch import Tensor

State = TypeVar("State")


class Equations(Protocol):
    """Normal equations of a linearised cost, dense or sparse."""

    @property
    def cost(self) -> float:
        """Of the state that was linearised."""

    @property
    def size(self) -> int:
        """Number of free parameters."""

    def solve_damped(self, damping: float) -> Tensor | None:
        """The step (size,) when every diagonal entry of the system is raised by the factor
        ``damping``; None when that matrix is not positive definite."""

    def predicted_fall(self, step: Tensor, damping: float) -> float:
        """By how much that step lowers the cost where it is quadratic."""


class Stop(Enum):
    """Why the optimisation ended."""

    CONVERGED = "the cost no longer falls by a relevant amount"
    ITERATIONS = "all iterations were used"
    NO_DESCENT = "no damping gave, or promises, a relevantly lower cost"
    SINGULAR = "the system has no solution at any damping"
    INTERRUPTED = "interrupted by the caller"


#: Levenberg-Marquardt factor on the diagonal: where it starts, by what it grows when a step is
#: refused and shrinks when one is accepted, and beyond which the optimisation ends.
_DAMPING = 1e-4
_DAMPING_INCREASE, _DAMPING_DECREASE, _DAMPING_MAX = 8.0, 0.25, 1e6


@dataclass(frozen=True)
class GaussNewtonConfig:
    """When ``minimise`` ends."""

    iterations: int = 10
    #: relative decrease of the cost below which it has converged
    tolerance: float = 1e-4


@dataclass(frozen=True)
class Solution(Generic[State]):
    """The outcome of ``minimise``."""

    state: State
    stop: Stop
    cost_before: float
    cost: float
    #: accepted steps
    iterations: int


def minimise(state: State, linearise: Callable[[State], Equations],
             retract: Callable[[State, Tensor], State], config: GaussNewtonConfig,
             should_stop: Callable[[], bool] = lambda: False) -> Solution[State]:
    """Lower the cost of ``linearise(state)`` by damped Gauss-Newton steps.

    A step is accepted only if the cost falls; the damping grows on refusal and on a
    system without a Cholesky factor, and shrinks on success.  A step that promises less than the
    tolerance is not tried.  A problem without parameters is solved as it is.
    """
    pieces = minimise_in_pieces(state, linearise, retract, config)
    while True:
        try:
            step = next(pieces)
        except StopIteration as end:
            return end.value
        if should_stop():
            return step


def minimise_in_pieces(state: State, linearise: Callable[[State], Equations],
                       retract: Callable[[State, Tensor], State], config: GaussNewtonConfig
                       ) -> Generator[Solution[State], None, Solution[State]]:
    """As ``minimise``; yields before every step that is tried, with what was reached until
    then."""
    equations = linearise(state)
    first = equations.cost
    damping, accepted, refused = _DAMPING, 0, False

    def solution(stop: Stop) -> Solution[State]:
        return Solution(state=state, stop=stop, cost_before=first, cost=equations.cost,
                        iterations=accepted)

    if not equations.size:
        return solution(Stop.CONVERGED)
    while accepted < config.iterations:
        yield solution(Stop.INTERRUPTED)
        step = equations.solve_damped(damping)
        if step is not None and equations.predicted_fall(step, damping) \
                < config.tolerance * equations.cost:
            return solution(Stop.NO_DESCENT if refused else Stop.CONVERGED)
        candidate = state if step is None else retract(state, step)
        trial = None if step is None else linearise(candidate)
        # written so that a NaN cost counts as no descent
        if trial is None or not trial.cost < equations.cost:
            refused = True
            damping = max(damping, _DAMPING) * _DAMPING_INCREASE
            if damping > _DAMPING_MAX:
                return solution(Stop.SINGULAR if trial is None else Stop.NO_DESCENT)
            continue
        fall = equations.cost - trial.cost
        converged = fall < config.tolerance * equations.cost
        state, equations = candidate, trial
        accepted += 1
        refused = False
        damping = damping * _DAMPING_DECREASE
        if converged:
            return solution(Stop.CONVERGED)
    return solution(Stop.ITERATIONS)
