"""Poses of the frames between keyframes, from the landmarks of an adjusted map.

Tracking aligns a frame to a keyframe whose depth is not known well yet, and what it misses then
stays, however well the keyframes are placed later.  Once they are, the landmarks of those nearby
are found in the frame in the same way as in other keyframes, and the frame's pose is that which
they fit best.
"""

from dataclasses import dataclass, replace
from math import radians

import numpy as np
import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging import image as imaging
from scenecode.optim.robust import cauchy_weight
from scenecode.slam.adjustment.adjusted_map import AdjustedMap
from scenecode.slam.adjustment.corners import track_resampled
from scenecode.slam.adjustment.reprojection import (
    LENS,
    Sightings,
    camera_values,
    reprojections,
)
from scenecode.slam.adjustment.resampling import Resampling
from scenecode.slam.features.orb import grey
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.records.frame import Frame

#: Keyframes whose landmarks are looked for in a frame.
_KEYFRAMES = 2
#: Landmarks that have to be found.
_MIN_LANDMARKS = 30
#: Scale of Cauchy's loss in pixels, and the largest median error of a pose.
_CAUCHY, _MAX_ERROR = 0.25, 1.0
#: Gauss-Newton iterations, and the step (metres, radians) that ends them.
_ITERATIONS, _MIN_STEP = 10, 1e-6
#: Largest change of a pose: over median depth, and in radians.
_MAX_SHIFT, _MAX_TURN = 0.1, radians(5)
#: Radians that are as far as the median depth, when the nearest keyframes are chosen.
_FAR_TURN = 0.7


@dataclass(frozen=True)
class FramePose:
    """A frame's pose against a keyframe, at the scale that the keyframe has."""

    keyframe: int
    #: (4, 4) float64
    T_key_cam: Tensor
    key_scale: float


@dataclass(frozen=True)
class _Known:
    """A keyframe whose landmarks are looked for."""

    image: np.ndarray
    camera: PinholeCamera
    #: (4, 4) float64
    T_world_cam: Tensor
    depth: Tensor
    median_depth: float
    scale: float
    #: (M, 3) points at depth 1, their pixels (M, 2), and (M,) ln depth
    rays: Tensor
    pixels: Tensor
    log_depth: Tensor
    #: (6,) with its shutter, and motion of its camera per second
    lens: Tensor
    motion: Tensor


class FramePoses:
    """Poses of frames in a map that does not change any more."""

    def __init__(self, graph: KeyframeGraph, adjusted: AdjustedMap):
        self._known: dict[int, _Known] = {}
        m, state = adjusted.landmarks, adjusted.state
        motions = se3.stretched(m.motions, state.log_scales.exp())
        for row, number in enumerate(adjusted.numbers):
            depth = adjusted.depths.get(number)
            own = m.host == row
            if depth is None or number not in graph.keyframes or not bool(own.any()):
                continue
            keyframe, rays = graph.keyframes[number], m.rays[own]
            pixels, _ = keyframe.camera.project(rays)
            self._known[number] = _Known(
                image=keyframe.sharp_grey, camera=keyframe.camera, depth=depth.metres, rays=rays,
                T_world_cam=graph.states[number].T_world_cam.double().cpu(),
                median_depth=float(depth.metres.median()), scale=keyframe.scale,
                pixels=pixels.float(), log_depth=state.log_depths[own],
                lens=state.lenses[m.camera_of[row]], motion=motions[row])

    def __len__(self) -> int:
        return len(self._known)

    def pose(self, frame: Frame, T_world_cam: Tensor, motion: Tensor) -> FramePose | None:
        """The pose of a frame near a known one (4, 4) float64, whose camera has a ``motion`` (6,)
        float64 per second in its own frame; None where too few landmarks are found, or do not
        fit."""
        numbers = self._nearest(T_world_cam)
        if not numbers:
            return None
        nearest = self._known[numbers[0]]
        image = grey(imaging.intensity(frame.image))
        seen = [self._sightings(n, frame.camera, image, T_world_cam, motion) for n in numbers]
        T_fitted = _fitted([s for s, _ in seen], [T for _, T in seen], T_world_cam)
        if T_fitted is None:
            return None
        change = se3.inverse(T_world_cam) @ T_fitted
        if float(change[:3, 3].norm()) > _MAX_SHIFT * nearest.median_depth \
                or float(se3.rotation_angle(change)) > _MAX_TURN:
            return None
        return FramePose(keyframe=numbers[0], key_scale=nearest.scale,
                         T_key_cam=se3.inverse(nearest.T_world_cam) @ T_fitted)

    def _nearest(self, T_world_cam: Tensor) -> list[int]:
        numbers = [*self._known]
        if not numbers:
            return []
        poses = torch.stack([self._known[n].T_world_cam for n in numbers])
        depths = torch.tensor([self._known[n].median_depth for n in numbers])
        change = se3.inverse(T_world_cam) @ poses
        far = change[:, :3, 3].norm(dim=1) / depths + se3.rotation_angle(change) / _FAR_TURN
        return [numbers[i] for i in far.argsort()[:_KEYFRAMES].tolist()]

    def _sightings(self, number: int, camera: PinholeCamera, image: np.ndarray,
                   T_world_cam: Tensor, motion: Tensor) -> tuple[Sightings, Tensor]:
        """The landmarks of a keyframe in an image from near a pose (4, 4), and the keyframe's
        pose (N, 4, 4)."""
        known = self._known[number]
        T = se3.inverse(T_world_cam) @ known.T_world_cam
        found, kept = track_resampled(known.image, image, known.pixels,
                                      Resampling.of(known.depth, known.camera, camera, T))
        count = int(kept.sum())
        lens = known.lens if camera == known.camera else torch.zeros(LENS, dtype=torch.float64)
        return Sightings(
            rays=known.rays[kept], log_depth=known.log_depth[kept], pixels=found[kept].double(),
            T=T.expand(count, 4, 4), host_lenses=known.lens.expand(count, -1),
            host_cameras=camera_values(known.camera).expand(count, -1),
            host_motions=known.motion.expand(count, -1),
            observer_lenses=lens.expand(count, -1),
            observer_cameras=camera_values(camera).expand(count, -1),
            observer_motions=motion.expand(count, -1)), known.T_world_cam.expand(count, 4, 4)


def _fitted(seen: list[Sightings], T_world_host: list[Tensor], T_world_cam: Tensor
            ) -> Tensor | None:
    """The pose (4, 4) of a frame that landmarks fit best, from a guess; None without one."""
    joined = Sightings(**{name: torch.cat([getattr(s, name) for s in seen])
                          for name in Sightings.__dataclass_fields__})
    hosts = torch.cat(T_world_host)
    if len(hosts) < _MIN_LANDMARKS:
        return None
    for _ in range(_ITERATIONS):
        found = reprojections(replace(joined, T=se3.inverse(T_world_cam) @ hosts))
        weight = cauchy_weight(found.value.norm(dim=1), _CAUCHY)[:, None, None]
        J = found.by_motion
        H = (J.mT @ (weight * J)).sum(0)
        factor, info = torch.linalg.cholesky_ex(H)
        if int(info):
            return None
        gradient = (J.mT @ (weight * found.value[..., None])).sum(0)
        motion = -torch.cholesky_solve(gradient, factor)[:, 0]
        # what moves points in the camera's frame is the inverse of what moves the camera
        T_world_cam = se3.retract(T_world_cam, -motion)
        if float(motion.abs().max()) < _MIN_STEP:
            break
    error = reprojections(replace(joined, T=se3.inverse(T_world_cam) @ hosts)).value.norm(dim=1)
    return T_world_cam if float(error.median()) < _MAX_ERROR else None
