"""The least-squares problem of all keyframes' poses and scales, and of all landmarks' depths.

Every landmark has one depth, on the ray of the keyframe that introduced it, and is observed in any
number of others.  Its depth is held, weakly, to what the network says of its keyframe, up to a
scale of each keyframe: scale is what a network knows least of an image, and what nothing but the
network knows of a path without parallax.  Where keyframes have too little in common, they are held
together, weakly, by their links at the relative poses that the map has.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH
from scenecode.optim.residuals import POSE_A, POSE_B
from scenecode.optim.robust import cauchy_cost, cauchy_weight
from scenecode.optim.solvers.pose_graph import Edges, Nodes, relative_pose
from scenecode.optim.solvers.sparse_points import SparsePointEquations, SparseSums

#: Scales of Cauchy's loss in standard deviations: of reprojections, and of depths.
REPROJECTION_CAUCHY, DEPTH_CAUCHY = 3.0, 2.0
#: Parameters of a pose.
_POSE = 6
#: Largest change of a landmark's ln depth in one step: its reprojection is far from linear in it.
_MAX_DEPTH_STEP = 1.0


@dataclass(frozen=True)
class MapState:
    """K keyframes and M landmarks, float64."""

    #: (K, 4, 4) T_world_cam
    poses: Tensor
    #: (K,) ln of the keyframe's depth over what the network says
    log_scales: Tensor
    #: (M,) ln depth
    log_depths: Tensor


@dataclass(frozen=True)
class ObservedLandmarks:
    """M landmarks of K keyframes and their N observations, float64."""

    #: (M,) row of the keyframe that introduced it, and (M, 3) point at depth 1 there
    host: Tensor
    rays: Tensor
    #: (M,) ln depth by the network at scale 1, and its standard deviation
    network_log_depth: Tensor
    log_std: Tensor
    #: (N,) landmark, (N,) row of the keyframe that observes it, and (N, 2) pixels there
    landmark: Tensor
    observer: Tensor
    pixels: Tensor
    #: (K, 4) fx, fy, cx, cy
    cameras: Tensor


@dataclass(frozen=True)
class Reprojections:
    """Residuals of N observations, in pixels, and their derivatives.

    Both poses act by the motion of the host's points in the observer's frame, of which they are
    linear functions, the same for all observations of a pair of keyframes.
    """

    #: (N, 2) projected less observed
    value: Tensor
    #: (N, 2, 6) by that motion, and (N, 2) by the landmark's ln depth
    by_motion: Tensor
    by_depth: Tensor


def reprojections(points: Tensor, observed: Tensor, T: Tensor, cameras: Tensor) -> Reprojections:
    """Of points (N, 3) in their hosts' frames, observed at pixels (N, 2) of cameras (N, 4) at
    ``T_observer_host`` (N, 4, 4)."""
    rotated = (T[:, :3, :3] @ points[..., None])[..., 0]
    x, y, z = (rotated + T[:, :3, 3]).unbind(1)
    # what is behind the camera has a large residual and no derivative
    inverse = 1 / z.clamp(min=MIN_DEPTH)
    fx, fy, cx, cy = cameras.unbind(1)
    value = torch.stack([fx * x * inverse + cx, fy * y * inverse + cy], 1) - observed
    u, v = fx * inverse * (z > MIN_DEPTH), fy * inverse * (z > MIN_DEPTH)
    zero = torch.zeros_like(u)
    by_point = torch.stack([torch.stack([u, zero, -u * x * inverse], 1),
                            torch.stack([zero, v, -v * y * inverse], 1)], 1)
    turn = -by_point @ se3.hat(torch.stack([x, y, z], 1))
    return Reprojections(value=value, by_motion=torch.cat([by_point, turn], 2),
                         by_depth=(by_point @ rotated[..., None])[..., 0])


class AdjustmentProblem:
    """Cost and normal equations of a ``MapState``."""

    def __init__(self, landmarks: ObservedLandmarks, links: Edges, unit: Tensor,
                 sigma_pixels: float, sigma_log_scale: float):
        """``links`` are in units of keyframes whose ln scales are ``unit`` (K,); standard
        deviations are of an observation, and of the network's scale of an image.

        The pose of the first keyframe is fixed.
        """
        self._landmarks, self._links, self._unit = landmarks, links, unit
        self._sigma, self._sigma_scale = sigma_pixels, sigma_log_scale
        count = len(unit)
        moving = count - 1
        self._size = _POSE * moving + count
        #: (K, 6) and (K, 1) columns, -1 where fixed
        self._pose_columns = _POSE * torch.arange(-1, moving)[:, None] + torch.arange(_POSE)
        self._pose_columns[0] = -1
        self._scale_columns = _POSE * moving + torch.arange(count)[:, None]
        #: pairs of host and observer (P, 2) and which of them each observation is of (N,)
        hosts = landmarks.host[landmarks.landmark]
        pairs, self._pair = torch.unique(hosts * count + landmarks.observer, return_inverse=True)
        self._a, self._b = pairs // count, pairs % count

    def linearise(self, state: MapState) -> SparsePointEquations:
        """Cost and normal equations at a state."""
        points = len(state.log_depths)
        H, E = SparseSums(self._size, self._size), SparseSums(points, self._size)
        g = torch.zeros(self._size + 1, dtype=torch.float64)
        D, e = torch.zeros(2, points, dtype=torch.float64)
        cost = self._add_reprojections(state, H, E, g, D, e)
        cost += self._add_depths(state, H, E, g, D, e)
        cost += self._add_scales(state, H, g)
        cost += self._add_links(state, H, g)
        return SparsePointEquations(H=H.matrix(), E=E.matrix(), g=g[:-1], D=D, e=e, cost=cost)

    def _add_reprojections(self, state: MapState, H: SparseSums, E: SparseSums, g: Tensor,
                           D: Tensor, e: Tensor) -> float:
        m, pair, landmark = self._landmarks, self._pair, self._landmarks.landmark
        T_ba = se3.inverse(state.poses[self._b]) @ state.poses[self._a]
        points = (m.rays * state.log_depths.exp()[:, None])[landmark]
        found = reprojections(points, m.pixels, T_ba[pair], m.cameras[m.observer])
        error = found.value.norm(dim=1) / self._sigma
        root = cauchy_weight(error, REPROJECTION_CAUCHY).sqrt() / self._sigma
        value, by_depth = root[:, None] * found.value, root[:, None] * found.by_depth
        J = root[:, None, None] * found.by_motion
        # to first order x_b = exp(adjoint(T_ba) xi_a - xi_b) T_ba x_a
        J_a, J_b = se3.adjoint(T_ba), -torch.eye(_POSE, dtype=torch.float64)
        motion_H = torch.zeros(len(T_ba), _POSE, _POSE, dtype=torch.float64)
        motion_H.index_add_(0, pair, J.mT @ J)
        motion_g = torch.zeros(len(T_ba), _POSE, dtype=torch.float64)
        motion_g.index_add_(0, pair, (J.mT @ value[..., None])[..., 0])
        both = torch.cat([J_a, J_b.expand_as(J_a)], 2)
        columns = torch.cat([self._pose_columns[self._a], self._pose_columns[self._b]], 1)
        H.add(columns, columns, both.mT @ motion_H @ both)
        _add(g, columns, (both.mT @ motion_g[..., None])[..., 0])
        E.add(landmark[:, None], columns[pair], by_depth[:, None] @ J @ both[pair])
        D.index_add_(0, landmark, by_depth.square().sum(1))
        e.index_add_(0, landmark, (by_depth * value).sum(1))
        return float(cauchy_cost(error, REPROJECTION_CAUCHY).sum())

    def _add_depths(self, state: MapState, H: SparseSums, E: SparseSums, g: Tensor, D: Tensor,
                    e: Tensor) -> float:
        """Landmarks' depths against those of the network."""
        m = self._landmarks
        value = (state.log_depths - m.network_log_depth - state.log_scales[m.host]) / m.log_std
        weight = cauchy_weight(value.abs(), DEPTH_CAUCHY)
        information = weight / m.log_std ** 2
        columns = self._scale_columns[m.host]
        H.add(columns, columns, information[:, None, None])
        E.add(torch.arange(len(value))[:, None], columns, -information[:, None, None])
        gradient = weight * value / m.log_std
        _add(g, columns[:, 0], -gradient)
        D += information
        e += gradient
        return float(cauchy_cost(value.abs(), DEPTH_CAUCHY).sum())

    def _add_scales(self, state: MapState, H: SparseSums, g: Tensor) -> float:
        """Keyframes' scales against those of the network."""
        value = state.log_scales / self._sigma_scale
        columns = self._scale_columns
        information = torch.full((len(value), 1, 1), self._sigma_scale ** -2, dtype=torch.float64)
        H.add(columns, columns, information)
        _add(g, columns[:, 0], value / self._sigma_scale)
        return 0.5 * float(value.square().sum())

    def _add_links(self, state: MapState, H: SparseSums, g: Tensor) -> float:
        """Relative poses and scales of linked keyframes against those that the map has."""
        links = self._links
        residual = relative_pose(Nodes(state.poses, state.log_scales - self._unit), links)
        value = residual.value[:, 0] / links.sigma
        J = torch.cat([residual.jacobians[POSE_A], residual.jacobians[POSE_B]], 3)[:, 0] \
            / links.sigma[..., None]
        columns = torch.cat([self._pose_columns[links.a], self._scale_columns[links.a],
                             self._pose_columns[links.b], self._scale_columns[links.b]], 1)
        H.add(columns, columns, J.mT @ J)
        _add(g, columns, (J.mT @ value[..., None])[..., 0])
        return 0.5 * float(value.square().sum())

    def retract(self, state: MapState, step: Tensor) -> MapState:
        """The state moved by a step of all free parameters and of the landmarks."""
        # fixed parameters take the zero that is appended
        moves = torch.cat([step[:self._size], step.new_zeros(1)])
        moving = (self._pose_columns[:, 0] >= 0)[:, None, None]
        poses = se3.retract(state.poses, moves[self._pose_columns])
        by_points = step[self._size:].clamp(-_MAX_DEPTH_STEP, _MAX_DEPTH_STEP)
        return MapState(poses=torch.where(moving, poses, state.poses),
                        log_scales=state.log_scales + moves[self._scale_columns[:, 0]],
                        log_depths=state.log_depths + by_points)

    def errors(self, state: MapState) -> Tensor:
        """(N,) reprojection errors in pixels."""
        m = self._landmarks
        T_ba = se3.inverse(state.poses[self._b]) @ state.poses[self._a]
        points = (m.rays * state.log_depths.exp()[:, None])[m.landmark]
        return reprojections(points, m.pixels, T_ba[self._pair],
                             m.cameras[m.observer]).value.norm(dim=1)


def _add(total: Tensor, at: Tensor, values: Tensor) -> None:
    """Add values to the entries ``at``, which may repeat; -1 is the last one."""
    total.index_add_(0, torch.where(at >= 0, at, len(total) - 1).flatten(), values.flatten())
