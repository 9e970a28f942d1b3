"""The landmarks' part of the window: reprojection, and agreement of their depth with the codes'."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from scenecode.optim.geometry import se3
from scenecode.optim.residuals import (
    DEPTH_A,
    POINT_A,
    POSE_A,
    POSE_B,
    Block,
    Group,
    point_depth,
    reprojection,
)
from scenecode.optim.robust import cauchy_cost, cauchy_weight
from scenecode.optim.solvers.normal_equations import NormalEquations
from scenecode.optim.warp import CodedPixels, warp_points
from scenecode.slam.config.slam_config import ResidualConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.landmarks import Observation

#: Smallest deviation of ln depth that is assumed of a network.
_MIN_LOG_STD = 0.02


class LandmarkTerm:
    """The landmarks of some keyframes: of ``observed`` (a, row, observation), those of a as the
    keyframe in that row of the window's state observes them; ``row_of`` gives the row of each
    keyframe."""

    def __init__(self, graph: KeyframeGraph, observed: list[tuple[int, int, Observation]],
                 row_of: dict[int, int], config: ResidualConfig):
        self._graph = graph
        self._config = config
        self._homes = sorted({a for a, _, _ in observed})
        points = [graph.landmarks[a] for a in self._homes]
        self._sizes = [len(p.rays) for p in points]
        if not observed:
            return
        #: (H,) row of the state, and (H, M) index of each keyframe's landmarks, -1 where there is none
        self._home = torch.tensor([row_of[a] for a in self._homes])
        starts = torch.tensor([0, *self._sizes]).cumsum(0)
        self._own = pad_sequence([starts[i] + torch.arange(n)
                                  for i, n in enumerate(self._sizes)], True, -1)
        a = torch.tensor([[graph.keyframes[n].prediction.average_depth] for n in self._homes])
        self._coded = CodedPixels(pad_sequence([p.rays for p in points], True),
                                 pad_sequence([p.prox_zero for p in points], True, 0.5),
                                 pad_sequence([p.prox_J_code for p in points], True), a)
        self._log_std = pad_sequence([p.log_std for p in points], True, 1.0)
        self._camera = graph.keyframes[self._homes[0]].camera
        start = dict(zip(self._homes, starts.tolist()))
        #: (P,) rows, and (P, M) index of each landmark that is observed
        self._a = torch.tensor([row_of[a] for a, _, _ in observed])
        self._b = torch.tensor([row for _, row, _ in observed])
        self._point = pad_sequence([s.index + start[a] for a, _, s in observed], True, -1)
        self._rays = pad_sequence([graph.landmarks[a].rays[s.index] for a, _, s in observed], True)
        self._observed = pad_sequence([s.pixels for _, _, s in observed], True)

    def log_depths(self) -> Tensor:
        """(M,) where the optimisation starts."""
        return torch.cat([torch.zeros(0), *(self._graph.landmarks[a].log_depth
                                            for a in self._homes)])

    def keep(self, log_depths: Tensor) -> None:
        """Write the outcome (M,) into the graph."""
        for a, part in zip(self._homes, log_depths.split(self._sizes)):
            self._graph.landmarks[a] = replace(self._graph.landmarks[a], log_depth=part)

    def add(self, equations: NormalEquations, poses: Tensor, codes: Tensor, log_depths: Tensor,
            columns: dict[Group, Tensor]) -> None:
        """Add the residuals of all landmarks at poses (V, 4, 4) and codes (V, Kd)."""
        if not len(log_depths):
            return
        c = self._config
        found = point_depth(log_depths[self._own.clamp(min=0)], self._coded, codes[self._home])
        sigma = c.point_deviation * self._log_std.clamp(min=_MIN_LOG_STD)
        self._add(equations, found, sigma, c.point_cauchy, self._own,
                  {DEPTH_A: columns[Group.DEPTH_CODE][self._home]})
        T_ba = se3.inverse(poses[self._b]) @ poses[self._a]
        warp = warp_points(self._rays, log_depths[self._point.clamp(min=0)], T_ba, self._camera)
        sigma = torch.full_like(self._rays[..., 0], c.sparse_sigma)
        self._add(equations, reprojection(self._observed, warp), sigma, c.sparse_cauchy,
                  self._point, {POSE_A: columns[Group.POSE][self._a],
                                POSE_B: columns[Group.POSE][self._b]})

    @staticmethod
    def _add(equations, residual, sigma: Tensor, scale: float, point: Tensor,
             columns: dict[Block, Tensor]) -> None:
        rows = residual.value.shape[-1]
        real = point >= 0
        error = residual.value.norm(dim=-1) / sigma
        weight = real * cauchy_weight(error, scale) / sigma ** 2
        J = torch.cat([residual.jacobians[block].flatten(1, 2) for block in columns], -1)
        points = (point.clamp(min=0).repeat_interleave(rows, 1),
                  residual.jacobians[POINT_A].flatten(1))
        equations.add_groups(torch.cat(list(columns.values()), 1), J, residual.value.flatten(1),
                             weight.repeat_interleave(rows, 1),
                             float((real * cauchy_cost(error, scale)).sum()), points)
