"""The marginal prior: what remains of keyframes that have left the window."""

from collections.abc import Sequence
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
        moved, chain = _moved(self.states, states)
        value = self.residual.at(moved)

        def add(sums: NormalEquations) -> None:
            # only what is of poses is not the derivative by the moved parameters themselves
            sizes = [len(c) for c in columns]
            starts = torch.tensor([0, *sizes]).cumsum(0)[:-1]
            poses = (starts[:, None] + torch.arange(6)).flatten()
            H, g = self.residual.information.clone(), self.residual.jacobian.T @ value
            H[:, poses] = H[:, poses] @ chain
            H[poses] = chain.T @ H[poses]
            g[poses] = chain.T @ g[poses]
            sums.add_sums(torch.cat(columns)[None], H[None], g[None])

        equations.add_later(add, 0.5 * float(value.square().sum()))

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


def _moved(before: Sequence[ViewState], now: Sequence[ViewState]) -> tuple[Tensor, Tensor]:
    """Differences (n,) of states, one after the other, and the derivative (6 V, 6 V) of those of
    poses by a perturbation of the poses now, in double precision."""
    poses, chains = pose_moved(torch.stack([s.T_world_cam for s in before]).double(),
                               torch.stack([s.T_world_cam for s in now]).double())
    codes = [torch.cat([b.code_depth - a.code_depth, b.code_semantic - a.code_semantic]).double()
             for a, b in zip(before, now, strict=True)]
    moved = torch.cat([part for pair in zip(poses, codes, strict=True) for part in pair])
    return moved, torch.block_diag(*chains)
