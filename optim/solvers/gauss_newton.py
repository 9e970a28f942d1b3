"""Damped Gauss-Newton (Levenberg-Marquardt) over any manifold: linearise, solve, retract, keep
only what lowers the cost."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

import torch
from torch import Tensor

from scenecode.optim.solvers.normal_equations import NormalEquations

State = TypeVar("State")


class Stop(Enum):
    """Why the optimisation ended."""

    CONVERGED = "the cost no longer falls by a relevant amount"
    ITERATIONS = "all iterations were used"
    NO_DESCENT = "no damping gave a lower cost"
    SINGULAR = "the system has no solution at any damping"
    INTERRUPTED = "the caller asked to stop"


@dataclass(frozen=True)
class GaussNewtonConfig:
    iterations: int = 10
    #: initial Levenberg-Marquardt factor on the diagonal
    damping: float = 1e-4
    damping_increase: float = 8.0
    damping_decrease: float = 0.25
    damping_max: float = 1e6
    #: relative fall of the cost below which it has converged
    tolerance: float = 1e-4


@dataclass(frozen=True)
class Solution(Generic[State]):
    state: State
    stop: Stop
    cost_before: float
    cost: float
    #: accepted steps
    iterations: int
    #: damping to continue with
    damping: float


def minimise(state: State, linearise: Callable[[State], NormalEquations],
             retract: Callable[[State, Tensor], State], config: GaussNewtonConfig,
             should_stop: Callable[[], bool] = lambda: False,
             solve: Callable[[NormalEquations, float], Tensor | None] | None = None
             ) -> Solution[State]:
    """Lower the cost of ``linearise(state)`` by damped Gauss-Newton steps.

    A step is accepted only if the cost falls; the damping grows on refusal and on a
    system without a Cholesky factor, and shrinks on success.  A problem without parameters
    is solved as it is.  ``solve`` takes the place of ``solve_damped`` for equations of another
    kind.
    """
    solve = solve or solve_damped
    equations = linearise(state)
    first = equations.cost
    damping, accepted = config.damping, 0

    def solution(stop: Stop) -> Solution[State]:
        return Solution(state, stop, first, equations.cost, accepted, damping)

    if not len(equations.g) + len(equations.e):
        return solution(Stop.CONVERGED)
    while accepted < config.iterations:
        if should_stop():
            return solution(Stop.INTERRUPTED)
        step = solve(equations, damping)
        candidate = None if step is None else retract(state, step)
        trial = None if candidate is None else linearise(candidate)
        # written so that a NaN cost counts as no descent
        if trial is None or not trial.cost < equations.cost:
            damping = max(damping, config.damping) * config.damping_increase
            if damping > config.damping_max:
                return solution(Stop.SINGULAR if trial is None else Stop.NO_DESCENT)
            continue
        fall = equations.cost - trial.cost
        converged = fall < config.tolerance * equations.cost
        state, equations = candidate, trial
        accepted += 1
        damping = damping * config.damping_decrease
        if converged:
            return solution(Stop.CONVERGED)
    return solution(Stop.ITERATIONS)


def solve_damped(equations: NormalEquations, damping: float) -> Tensor | None:
    """The step (size + P,) of parameters and points where every diagonal entry of the system
    is raised by the factor ``damping``; None when that matrix is not positive definite."""
    diagonal = torch.diagonal(equations.H)
    # parameters that nothing sees stay where they are
    floor = 1e-12 * torch.cat([diagonal, equations.D]).max().clamp(min=1e-12)
    H = equations.H + torch.diag(damping * diagonal + floor)
    g, E = equations.g, equations.E
    if len(E):
        D = equations.D * (1 + damping) + floor
        scaled = E / D[:, None]
        H, g = H - E.T @ scaled, g - scaled.T @ equations.e
    factor, info = torch.linalg.cholesky_ex(H)
    if info.item() != 0:
        return None
    step = -torch.cholesky_solve(g[:, None], factor)[:, 0]
    if not len(E):
        return step
    return torch.cat([step, -(equations.e + E @ step) / D])
