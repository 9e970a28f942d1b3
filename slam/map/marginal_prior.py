"""The marginal prior: what remains of keyframes that have left the window."""

from dataclasses import dataclass, replace
from math import exp

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.solvers.marginal import LinearResidual, pose_moved
from scenecode.optim.solvers.normal_equations import NormalEquations
from scenecode.optim.warp import ViewState


@dataclass(frozen=True)
class MarginalPrior:
    """A linear residual on the poses and codes of keyframes, by how far they have moved since the
    marginalisation.

    Half its square is, up to a constant and to second order, the cost of the residuals that were
    absorbed, minimised over the keyframes that left.
    """

    #: keyframes that it constrains, and their states at the linearisation
    numbers: tuple[int, ...]
    states: tuple[ViewState, ...]
    #: of pose (6), depth code and semantic code of each, one keyframe after the other
    residual: LinearResidual

    def add(self, equations: NormalEquations, states: list[ViewState],
            columns: list[Tensor]) -> None:
        """Add it to the equations at the states of its keyframes; ``columns`` (6 + Kd + Ks,) are
        those of each."""
        moved, chains = zip(*(_moved(before, now) for before, now in zip(self.states, states)))
        value = self.residual.at(torch.cat(moved))
        J = self.residual.jacobian @ torch.block_diag(*chains)
        equations.add_groups(torch.cat(columns)[None], J[None], value[None],
                             torch.ones_like(value)[None], 0.5 * float(value.square().sum()))

    def corrected(self, before: list[ViewState], after: list[ViewState],
                  log_scales: list[float]) -> "MarginalPrior":
        """The same after the whole map was corrected: its keyframes moved from states ``before``
        to ``after``, and their depth was multiplied by ``exp(log_scales)``."""
        states, jacobian, start = [], self.residual.jacobian.clone(), 0
        for start_state, old, new, log_factor in zip(self.states, before, after, log_scales,
                                                     strict=True):
            T = se3.inverse(old.T_world_cam.double()) @ start_state.T_world_cam.double()
            T = se3.from_rotation_translation(T[:3, :3], exp(log_factor) * T[:3, 3])
            states.append(replace(start_state, T_world_cam=(new.T_world_cam.double() @ T).to(
                start_state.T_world_cam)))
            jacobian[:, start:start + 3] *= exp(-log_factor)
            start += 6 + len(start_state.code_depth) + len(start_state.code_semantic)
        return replace(self, states=tuple(states),
                       residual=LinearResidual(self.residual.value, jacobian))


def _moved(before: ViewState, now: ViewState) -> tuple[Tensor, Tensor]:
    """Difference (6 + Kd + Ks,) of two states and its derivative by ``now``, in double
    precision."""
    pose, chain = pose_moved(before.T_world_cam.double(), now.T_world_cam.double())
    codes = torch.cat([now.code_depth - before.code_depth,
                       now.code_semantic - before.code_semantic])
    return (torch.cat([pose, codes.double()]),
            torch.block_diag(chain, torch.eye(len(codes)).to(chain)))
