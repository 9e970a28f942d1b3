"""What keyframes that have left the window still say about those that are in it."""

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
    """A residual of how far keyframes have moved since others left the window.

    Depth and labels of what has left were whatever agreed best with the rest; here is how much
    worse that gets as the rest moves, to second order.
    """

    #: keyframes that it speaks of, and where they were
    numbers: tuple[int, ...]
    states: tuple[ViewState, ...]
    #: of pose (6), depth code and semantic code of each, one keyframe after the other
    residual: LinearResidual

    def add(self, equations: NormalEquations, states: list[ViewState],
            columns: list[Tensor]) -> None:
        """Add it to the equations, with its keyframes in given states; ``columns`` (6 + Kd + Ks,)
        of each."""
        moved, chains = zip(*(_moved(was, now) for was, now in zip(self.states, states)))
        value = self.residual.at(torch.cat(moved))
        J = self.residual.jacobian @ torch.block_diag(*chains)
        equations.add_groups(torch.cat(columns)[None], J[None], value[None],
                             torch.ones_like(value)[None], 0.5 * float(value.square().sum()))

    def corrected(self, before: list[ViewState], after: list[ViewState],
                  log_scales: list[float]) -> "MarginalPrior":
        """The same after its keyframes were moved from states to others and their depth multiplied
        by ``exp`` of that: the rest of the world has moved with them."""
        states, jacobian, start = [], self.residual.jacobian.clone(), 0
        for was, old, new, change in zip(self.states, before, after, log_scales, strict=True):
            T = se3.inverse(old.T_world_cam.double()) @ was.T_world_cam.double()
            T = se3.from_rotation_translation(T[:3, :3], exp(change) * T[:3, 3])
            states.append(replace(was, T_world_cam=(new.T_world_cam.double() @ T).to(
                was.T_world_cam)))
            jacobian[:, start:start + 3] *= exp(-change)
            start += 6 + len(was.code_depth) + len(was.code_semantic)
        return replace(self, states=tuple(states),
                       residual=LinearResidual(self.residual.value, jacobian))


def _moved(was: ViewState, now: ViewState) -> tuple[Tensor, Tensor]:
    """(6 + Kd + Ks,) and its derivative, in double precision."""
    pose, chain = pose_moved(was.T_world_cam.double(), now.T_world_cam.double())
    codes = torch.cat([now.code_depth - was.code_depth, now.code_semantic - was.code_semantic])
    return (torch.cat([pose, codes.double()]),
            torch.block_diag(chain, torch.eye(len(codes)).to(chain)))
