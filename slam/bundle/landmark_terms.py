"""The landmarks' part of the window: reprojection, and their depth against the codes'."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from scenecode.optim.geometry import se3
from scenecode.optim.residuals import (
    DEPTH_A,
    POINT_A,
    Group,
    PairResidual,
    point_depth,
    reprojection,
)
from scenecode.optim.robust import cauchy_cost, cauchy_weight
from scenecode.optim.solvers.normal_equations import NormalEquations
from scenecode.optim.warp import CodedPixels, warp_points
from scenecode.slam.config.residuals import ResidualConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.landmarks import Observation

#: Scales of Cauchy's loss in standard deviations: of reprojections, and of depths.
_REPROJECTION_CAUCHY, _DEPTH_CAUCHY = 3.0, 2.0
#: Smallest standard deviation of ln depth that is assumed of a network.
_MIN_LOG_STD = 0.02


class LandmarkTerm:
    """The landmarks of some keyframes, their hosts: for each of ``observed`` (a, row,
    observation), the landmarks of a that the keyframe in that row of the window's state observes;
    ``row_of`` gives the row of each keyframe."""

    def __init__(self, graph: KeyframeGraph, observed: list[tuple[int, int, Observation]],
                 row_of: dict[int, int], config: ResidualConfig):
        self._graph = graph
        self._config = config
        self._hosts = sorted({a for a, _, _ in observed})
        landmarks = [graph.landmarks[a] for a in self._hosts]
        self._sizes = [len(p.rays) for p in landmarks]
        if not observed:
            return
        #: (H,) row of each host, and (H, M) index of its landmarks, -1 where there is none
        self._host_row = torch.tensor([row_of[a] for a in self._hosts])
        starts = torch.tensor([0, *self._sizes]).cumsum(0)
        self._host_point = pad_sequence([starts[i] + torch.arange(n)
                                         for i, n in enumerate(self._sizes)], True, -1)
        average_depth = torch.tensor([[graph.keyframes[n].prediction.average_depth]
                                      for n in self._hosts])
        proximity = [p.proximity(graph.keyframes[n]) for n, p in zip(self._hosts, landmarks)]
        # hosts with fewer landmarks are filled up
        self._coded = CodedPixels(
            rays=pad_sequence([p.rays for p in landmarks], True),
            prox_zero=pad_sequence([zero for zero, _ in proximity], True, 0.5),
            prox_J_code=pad_sequence([J for _, J in proximity], True),
            average_depth=average_depth)
        self._log_std = pad_sequence([p.log_std for p in landmarks], True, 1.0)
        self._camera = graph.keyframes[self._hosts[0]].camera
        start = dict(zip(self._hosts, starts.tolist()))
        #: (P,) rows, and (P, M) index of each landmark that is observed
        self._a = torch.tensor([row_of[a] for a, _, _ in observed])
        self._b = torch.tensor([row for _, row, _ in observed])
        self._point = pad_sequence([s.index + start[a] for a, _, s in observed], True, -1)
        # a padded point at depth 0 would have derivatives that are no numbers
        self._rays = pad_sequence([graph.landmarks[a].rays[s.index] for a, _, s in observed], True,
                                  1.0)
        self._observed = pad_sequence([s.pixels for _, _, s in observed], True)

    def log_depths(self) -> Tensor:
        """(M,) where the optimisation starts."""
        return torch.cat([torch.zeros(0), *(self._graph.landmarks[a].log_depth
                                            for a in self._hosts)])

    def keep(self, log_depths: Tensor) -> None:
        """Write the outcome (M,) into the graph."""
        for a, part in zip(self._hosts, log_depths.split(self._sizes)):
            self._graph.landmarks[a] = replace(self._graph.landmarks[a], log_depth=part)

    def add(self, equations: NormalEquations, poses: Tensor, codes: Tensor, log_depths: Tensor,
            columns: dict[Group, Tensor]) -> None:
        """Add the residuals of all landmarks at poses (V, 4, 4) and codes (V, Kd)."""
        if not len(log_depths):
            return
        depth = point_depth(log_depths[self._host_point.clamp(min=0)], self._coded,
                            codes[self._host_row])
        sigma = self._config.landmark_depth_sigma * self._log_std.clamp(min=_MIN_LOG_STD)
        self._add(equations, depth, sigma, _DEPTH_CAUCHY, self._host_point,
                  columns[Group.DEPTH_CODE][self._host_row])
        T_ba = se3.inverse(poses[self._b]) @ poses[self._a]
        warp = warp_points(self._rays, log_depths[self._point.clamp(min=0)], T_ba,
                           self._camera).with_depth_held(self._point >= 0)
        sigma = torch.full_like(self._rays[..., 0], self._config.reprojection_sigma)
        of_poses = torch.cat([columns[Group.POSE][self._a], columns[Group.POSE][self._b]], 1)
        self._add(equations, reprojection(self._observed, warp), sigma, _REPROJECTION_CAUCHY,
                  self._point, of_poses)

    @staticmethod
    def _add(equations: NormalEquations, residual: PairResidual, sigma: Tensor, scale: float,
             point: Tensor, columns: Tensor) -> None:
        rows = residual.value.shape[-1]
        real = point >= 0
        error = residual.lengths() / sigma
        weight = real * cauchy_weight(error, scale) / sigma ** 2

        def add(sums: NormalEquations) -> None:
            jacobian = residual.jacobian(slice(None))
            if jacobian.motion is None:
                J, by_point = jacobian.blocks[DEPTH_A].flatten(1, 2), jacobian.blocks[POINT_A]
            else:
                J, by_point = jacobian.motion.by_poses(), jacobian.motion.by_depth
            points = point.clamp(min=0).repeat_interleave(rows, 1), by_point.flatten(1)
            sums.add_groups(columns, J, residual.value.flatten(1),
                            weight.repeat_interleave(rows, 1), 0.0, points)

        equations.add_later(add, float((real * cauchy_cost(error, scale)).sum()))
