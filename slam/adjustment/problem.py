"""The least-squares problem of all keyframes' poses and scales, and of all landmarks' depths.

Every landmark has one depth, on the ray of the keyframe that introduced it, and is observed in any
number of others.  Its depth is held, weakly, to what the network says of its keyframe, up to a
scale of each keyframe: scale is what a network knows least of an image, and what nothing but the
network knows of a path without parallax.  Where a pair of keyframes has too little of it, its
observations move poses and leave the landmarks' depths.  Where keyframes have too little in
common, they are held together, weakly, by their links at the relative poses that the map has.

What remains of a lens that is known badly would turn rotation into translation, and bend paths:
two focal lengths and radial distortion are estimated with the rest (self-calibration), close to
those that the images were taken for.  A camera that drives ahead hardly tells the lens from the
shape of the road: a known lens is held much closer.  The time that a rolling shutter takes from
one side of an image to the other is estimated with them, whoever states the lens.
"""

from copy import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.parallax import tells_depth
from scenecode.optim.residuals import POSE_A, POSE_B
from scenecode.optim.robust import cauchy_cost, cauchy_weight
from scenecode.optim.solvers.pose_graph import Edges, Nodes, relative_pose
from scenecode.optim.solvers.sparse_points import SparsePointEquations, SparseSums
from scenecode.slam.adjustment.reprojection import LENS, POSE, Sightings, reprojections

#: Scale of Cauchy's loss for depths, in standard deviations.
DEPTH_CAUCHY = 2.0
#: Standard deviation of the time that a shutter takes along an image, in seconds.
_SHUTTER_SIGMA = 0.02
#: Standard deviations of a lens and its shutter: of one that was measured or stated by a user, and
#: of one that a data set or a renderer states; what shutter it has, nobody states.
MEASURED_LENS_SIGMA = (0.02, 0.02, 0.05, 0.05, _SHUTTER_SIGMA, _SHUTTER_SIGMA)
KNOWN_LENS_SIGMA = (0.002, 0.002, 0.005, 0.005, _SHUTTER_SIGMA, _SHUTTER_SIGMA)
#: Parameters that the residuals of a pair depend on: a motion, two lenses and two scales.
_PAIR = POSE + 2 * LENS + 2
#: Observations whose Jacobians are in memory at a time.
_CHUNK = 1 << 14
#: Newton steps of a triangulation.
_TRIANGULATION_STEPS = 5
#: Largest change of a landmark's ln depth in one step: its reprojection is far from linear in it.
_MAX_DEPTH_STEP = 1.0


@dataclass(frozen=True)
class MapState:
    """K keyframes, M landmarks and L lenses, float64."""

    #: (K, 4, 4) T_world_cam
    poses: Tensor
    #: (K,) ln of the keyframe's depth over what the network says
    log_scales: Tensor
    #: (M,) ln depth
    log_depths: Tensor
    #: (L, 6) by which a lens and its shutter differ from what they were taken for
    lenses: Tensor


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
    #: (L, 6) fx, fy, cx, cy, width and height of the different cameras, and which of them a
    #: keyframe has (K,)
    cameras: Tensor
    camera_of: Tensor
    #: (L, 6) standard deviations of the lenses
    lens_sigma: Tensor
    #: (K, 6) motion of the keyframes' cameras in their own frames, per second, at scale 1; 0 where
    #: it is not known
    motions: Tensor


class AdjustmentProblem:
    """Cost and normal equations of a ``MapState``."""

    def __init__(self, landmarks: ObservedLandmarks, links: Edges, start: MapState,
                 is_fixed: Tensor, sigma_pixels: float, sigma_log_scale: float,
                 reprojection_cauchy: float):
        """``links`` are in units of the keyframes at the ``start``; the poses of
        those that are ``is_fixed`` (K,) stay; standard deviations are of an observation, and of
        the network's scale of an image; ``reprojection_cauchy`` is the scale of Cauchy's loss for
        observations, in standard deviations."""
        self._links, self._unit = links, start.log_scales
        self._sigma, self._sigma_scale = sigma_pixels, sigma_log_scale
        self._cauchy = reprojection_cauchy
        count, moving = len(start.poses), int((~is_fixed).sum())
        self._size = POSE * moving + count + LENS * len(landmarks.cameras)
        #: (K, 6) and (K, 1) columns, -1 where fixed
        first = POSE * (torch.cumsum(~is_fixed, 0) - 1)
        self._pose_columns = first[:, None] + torch.arange(POSE)
        self._pose_columns[is_fixed] = -1
        self._scale_columns = POSE * moving + torch.arange(count)[:, None]
        #: (L, 6)
        self._lens_columns = POSE * moving + count + torch.arange(
            LENS * len(landmarks.cameras)).view(-1, LENS)
        #: pairs of host and observer (P, 2) and which of them each observation is of (N,): those
        #: of a pair follow each other
        hosts = landmarks.host[landmarks.landmark]
        pairs, pair = torch.unique(hosts * count + landmarks.observer, return_inverse=True)
        self._a, self._b = pairs // count, pairs % count
        self._pair, order = pair.sort(stable=True)
        self._landmarks = replace(landmarks, landmark=landmarks.landmark[order],
                                  observer=landmarks.observer[order],
                                  pixels=landmarks.pixels[order])
        self._tells_depth = self._enough_parallax(start)

    def _enough_parallax(self, state: MapState) -> Tensor:
        """(P,) 1 for pairs whose parallax tells something about depth, else 0."""
        m, T_ba = self._landmarks, self._relative_poses(state)
        x_a = m.rays * state.log_depths.exp()[:, None]
        x_b = se3.act(T_ba[self._pair], x_a[m.landmark][:, None])[:, 0]
        counts = self._pair.bincount(minlength=len(self._a)).tolist()
        tells = [torch.zeros(0, dtype=torch.bool), *(
            tells_depth(points[None], T[None, :3, 3], torch.ones(1, len(points)).bool())
            for T, points in zip(T_ba, x_b.split(counts), strict=True))]
        return torch.cat(tells).double()

    def sharper(self, reprojection_cauchy: float, state: MapState) -> "AdjustmentProblem":
        """The same problem from another state on, with another scale of the loss for
        observations."""
        other = copy(self)
        other._cauchy = reprojection_cauchy
        other._tells_depth = self._enough_parallax(state)
        return other

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
        cost += self._add_lenses(state, H, g)
        return SparsePointEquations(H=H.matrix(), E=E.matrix(), g=g[:-1], D=D, e=e, cost=cost)

    def _sightings(self, state: MapState, T_ba: Tensor, some: Tensor) -> Sightings:
        """Some of the observations at a state, with the pairs' ``T_observer_host`` (P, 4, 4)."""
        m, pair, landmark = self._landmarks, self._pair[some], self._landmarks.landmark[some]
        motions = se3.stretched(m.motions, state.log_scales.exp())
        of_a, of_b = m.camera_of[self._a][pair], m.camera_of[self._b][pair]
        return Sightings(
            rays=m.rays[landmark], log_depth=state.log_depths[landmark], pixels=m.pixels[some],
            T=T_ba[pair], host_cameras=m.cameras[of_a], observer_cameras=m.cameras[of_b],
            host_lenses=state.lenses[of_a], observer_lenses=state.lenses[of_b],
            host_motions=motions[self._a][pair], observer_motions=motions[self._b][pair])

    def _relative_poses(self, state: MapState) -> Tensor:
        """``T_observer_host`` of the pairs (P, 4, 4)."""
        return se3.inverse(state.poses[self._b]) @ state.poses[self._a]

    def _add_reprojections(self, state: MapState, H: SparseSums, E: SparseSums, g: Tensor,
                           D: Tensor, e: Tensor) -> float:
        T_ba = self._relative_poses(state)
        # to first order x_b = exp(adjoint(T_ba) xi_a - xi_b) T_ba x_a
        chain = torch.zeros(len(T_ba), _PAIR, POSE + _PAIR, dtype=torch.float64)
        chain[:, :POSE, :POSE] = se3.adjoint(T_ba)
        chain[:, :POSE, POSE:2 * POSE] = -torch.eye(POSE, dtype=torch.float64)
        chain[:, POSE:, 2 * POSE:] = torch.eye(_PAIR - POSE, dtype=torch.float64)
        lens_columns = self._lens_columns[self._landmarks.camera_of]
        columns = torch.cat([self._pose_columns[self._a], self._pose_columns[self._b],
                             lens_columns[self._a], lens_columns[self._b],
                             self._scale_columns[self._a], self._scale_columns[self._b]], 1)
        sums = torch.zeros(len(T_ba), _PAIR, _PAIR, dtype=torch.float64)
        gradient = torch.zeros(len(T_ba), _PAIR, dtype=torch.float64)
        cost = 0.0
        for some in torch.arange(len(self._pair)).split(_CHUNK):
            pair, landmark = self._pair[some], self._landmarks.landmark[some]
            found = reprojections(self._sightings(state, T_ba, some))
            error = found.value.norm(dim=1) / self._sigma
            root = cauchy_weight(error, self._cauchy).sqrt() / self._sigma
            value = root[:, None] * found.value
            by_depth = (root * self._tells_depth[pair])[:, None] * found.by_depth
            # a pair's residuals depend on the motion of its points, and on two cameras
            J = root[:, None, None] * torch.cat([
                found.by_motion, found.by_host_lens, found.by_observer_lens,
                found.by_host_scale[..., None], found.by_observer_scale[..., None]], 2)
            coupling = (by_depth[..., None] * J).sum(1)
            # one large product for a pair is faster than a small one for each observation
            present, counts = pair.unique_consecutive(return_counts=True)
            coupled = [J.new_zeros(0, POSE + _PAIR)]
            for p, rows, values, by_points in zip(present.tolist(), *(
                    part.split(counts.tolist()) for part in (J, value, coupling)), strict=True):
                rows = rows.flatten(0, 1)
                sums[p] += rows.T @ rows
                gradient[p] += rows.T @ values.flatten()
                coupled.append(by_points @ chain[p])
            E.add(landmark[:, None], columns[pair], torch.cat(coupled)[:, None])
            D.index_add_(0, landmark, by_depth.square().sum(1))
            e.index_add_(0, landmark, (by_depth * value).sum(1))
            cost += float(cauchy_cost(error, self._cauchy).sum())
        H.add(columns, columns, chain.mT @ sums @ chain)
        _add(g, columns, (chain.mT @ gradient[..., None])[..., 0])
        return cost

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

    def _add_lenses(self, state: MapState, H: SparseSums, g: Tensor) -> float:
        """Lenses against those that the images were taken for."""
        sigma, columns = self._landmarks.lens_sigma, self._lens_columns
        value = state.lenses / sigma
        H.add(columns, columns, torch.diag_embed(sigma ** -2))
        _add(g, columns, value / sigma)
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
                        log_depths=state.log_depths + by_points,
                        lenses=state.lenses + moves[self._lens_columns])

    def triangulated(self, state: MapState) -> tuple[Tensor, Tensor]:
        """(M,) ln depths of the landmarks at the poses of a state from their observations alone,
        without the network's, and the standard deviations of these; infinite for those that
        observations do not tell."""
        T_ba, landmark = self._relative_poses(state), self._landmarks.landmark
        information = torch.zeros_like(state.log_depths)
        for _ in range(_TRIANGULATION_STEPS):
            information, gradient = torch.zeros(2, len(state.log_depths), dtype=torch.float64)
            for some in torch.arange(len(self._pair)).split(_CHUNK):
                found = reprojections(self._sightings(state, T_ba, some))
                error = found.value.norm(dim=1) / self._sigma
                weight = cauchy_weight(error, self._cauchy) / self._sigma ** 2
                information.index_add_(0, landmark[some],
                                       weight * found.by_depth.square().sum(1))
                gradient.index_add_(0, landmark[some],
                                    weight * (found.by_depth * found.value).sum(1))
            step = torch.where(information > 0, -gradient / information, 0.0)
            state = replace(state, log_depths=state.log_depths
                            + step.clamp(-_MAX_DEPTH_STEP, _MAX_DEPTH_STEP))
        return state.log_depths, information.rsqrt()

    def points(self, state: MapState) -> Tensor:
        """(M, 3) landmarks in the world."""
        m = self._landmarks
        x = m.rays * state.log_depths.exp()[:, None]
        return se3.act(state.poses[m.host], x[:, None])[:, 0]

    def errors(self, state: MapState) -> Tensor:
        """(N,) reprojection errors in pixels."""
        T_ba, every = self._relative_poses(state), torch.arange(len(self._pair))
        return torch.cat([torch.zeros(0, dtype=torch.float64), *(
            reprojections(self._sightings(state, T_ba, some)).value.norm(dim=1)
            for some in every.split(_CHUNK))])


def _add(total: Tensor, at: Tensor, values: Tensor) -> None:
    """Add values to the entries ``at``, which may repeat; -1 is the last one."""
    total.index_add_(0, torch.where(at >= 0, at, len(total) - 1).flatten(), values.flatten())
