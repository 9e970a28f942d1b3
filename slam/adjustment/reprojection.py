"""Reprojection of landmarks from one keyframe into another, with both lenses and shutters.

A camera with a rolling shutter exposes one row of an image after the other.  While it moves, its
rows, or where the image was turned its columns, are seen from different poses.  The pose of a
keyframe is that at the middle of its image, and its motion is known from tracking; the time from
the first to the last row is estimated with the lens.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera

#: Parameters of a pose; and of a lens: ln factors of both focal lengths, radial distortion, and
#: the seconds from the left to the right side, and from the top to the bottom.
POSE, LENS = 6, 6


def camera_values(camera: PinholeCamera) -> Tensor:
    """(6,) float64: fx, fy, cx, cy, width and height."""
    return torch.tensor([camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height],
                        dtype=torch.float64)


@dataclass(frozen=True)
class Reprojections:
    """Residuals of N observations, in pixels, and their derivatives.

    Both poses act by the motion of the host's points in the observer's frame, of which they are
    linear functions, the same for all observations of a pair of keyframes.
    """

    #: (N, 2) projected less observed
    value: Tensor
    #: (N, 2, 6) by that motion, (N, 2) by the landmark's ln depth, (N, 2, 6) by the lenses of host
    #: and observer, and (N, 2) by the ln scales of both
    by_motion: Tensor
    by_depth: Tensor
    by_host_lens: Tensor
    by_observer_lens: Tensor
    by_host_scale: Tensor
    by_observer_scale: Tensor


@dataclass(frozen=True)
class Sightings:
    """N landmarks as they are seen by an observer."""

    #: (N, 3) points at depth 1 in the host, for the lens that it was taken for, and (N,) ln depth
    rays: Tensor
    log_depth: Tensor
    #: (N, 2) in the observer
    pixels: Tensor
    #: (N, 4, 4) T_observer_host
    T: Tensor
    #: (N, 6) fx, fy, cx, cy, width and height of both
    host_cameras: Tensor
    observer_cameras: Tensor
    #: (N, 6) lenses of both
    host_lenses: Tensor
    observer_lenses: Tensor
    #: (N, 6) motions of both cameras in their own frames, per second, at the scales of both
    host_motions: Tensor
    observer_motions: Tensor


@dataclass(frozen=True)
class _Moved:
    """N points in the frame of a moving camera at another time, and their derivatives."""

    #: (N, 3), (N, 3, 3) by the points, (N, 3, 2) by the shutter, and (N, 3) by the ln scale
    points: Tensor
    by_points: Tensor
    by_shutter: Tensor
    by_scale: Tensor


def reprojections(seen: Sightings) -> Reprojections:
    """Residuals and derivatives.

    To first order in the distortion, which is small, that of the host is undone by its negative;
    to first order in the motion during one image, points move along a straight line.
    """
    corrected, corrected_J_lens = _on_corrected_rays(seen)
    host_pixels = seen.rays[:, :2] * seen.host_cameras[:, :2] + seen.host_cameras[:, 2:4]
    host = _moved(corrected, _place(host_pixels, seen.host_cameras), seen.host_lenses[:, 4:],
                  seen.host_motions)
    rotation = seen.T[:, :3, :3]
    x_b = (rotation @ host.points[..., None])[..., 0] + seen.T[:, :3, 3]
    moved = _moved(x_b, _place(seen.pixels, seen.observer_cameras), seen.observer_lenses[:, 4:],
                   -seen.observer_motions)
    # what is behind the camera has a large residual and no derivative
    inverse = 1 / moved.points[:, 2].clamp(min=MIN_DEPTH)
    in_front = (moved.points[:, 2] > MIN_DEPTH).to(inverse)
    ideal = moved.points[:, :2] * inverse[:, None]
    focal = seen.observer_cameras[:, :2] * seen.observer_lenses[:, :2].exp()
    k1, k2 = seen.observer_lenses[:, 2:4].unbind(1)
    square = ideal.square().sum(1)
    stretch = 1 + k1 * square + k2 * square ** 2
    centred = focal * ideal * stretch[:, None]
    eye = torch.eye(2, dtype=ideal.dtype)
    outer = ideal[:, :, None] * ideal[:, None]
    by_ideal = focal[:, :, None] * (stretch[:, None, None] * eye
                                    + (2 * k1 + 4 * k2 * square)[:, None, None] * outer)
    by_moved = by_ideal @ torch.cat([eye.expand(len(ideal), 2, 2), -ideal[:, :, None]], 2) \
        * (inverse * in_front)[:, None, None]
    by_point = by_moved @ moved.by_points
    turn = -by_point @ se3.hat(x_b)
    radial = focal * ideal * square[:, None]
    by_host = by_point @ rotation
    return Reprojections(
        value=centred + seen.observer_cameras[:, 2:4] - seen.pixels,
        by_motion=torch.cat([by_point, turn], 2),
        by_depth=(by_host @ host.by_points @ corrected[..., None])[..., 0],
        by_host_lens=by_host @ torch.cat([host.by_points @ corrected_J_lens, host.by_shutter], 2),
        by_observer_lens=torch.cat([
            torch.diag_embed(centred), radial[..., None], (radial * square[:, None])[..., None],
            by_moved @ moved.by_shutter], 2),
        by_host_scale=(by_host @ host.by_scale[..., None])[..., 0],
        by_observer_scale=(by_moved @ moved.by_scale[..., None])[..., 0])


def _on_corrected_rays(seen: Sightings) -> tuple[Tensor, Tensor]:
    """Points (N, 3) in the host's frame, and their derivative (N, 3, 4) by its lens."""
    k1, k2 = seen.host_lenses[:, 2:4].unbind(1)
    square = seen.rays[:, :2].square().sum(1)
    shrink = 1 - k1 * square - k2 * square ** 2
    depth = seen.log_depth.exp()[:, None]
    across = depth * seen.rays[:, :2] * (-seen.host_lenses[:, :2]).exp()
    by_lens = torch.zeros(len(across), 3, 4, dtype=across.dtype)
    by_lens[:, :2, :2] = -torch.diag_embed(across * shrink[:, None])
    by_lens[:, :2, 2] = -across * square[:, None]
    by_lens[:, :2, 3] = -across * square[:, None] ** 2
    return torch.cat([across * shrink[:, None], depth], 1), by_lens


def _place(pixels: Tensor, cameras: Tensor) -> Tensor:
    """(N, 2) pixels from the middle of the image, over its size."""
    return (pixels + 0.5) / cameras[:, 4:] - 0.5


def _moved(points: Tensor, place: Tensor, shutter: Tensor, motion: Tensor) -> _Moved:
    """Points (N, 3) in a camera's frame moved by a ``motion`` (N, 6) per second, for the time at
    which a shutter (N, 2) exposes a place (N, 2) of the image."""
    seconds = (place * shutter).sum(1, keepdim=True)
    velocity = motion[:, :3] + torch.linalg.cross(motion[:, 3:], points)
    eye = torch.eye(3, dtype=points.dtype)
    return _Moved(points=points + seconds * velocity,
                  by_points=eye + seconds[..., None] * se3.hat(motion[:, 3:]),
                  by_shutter=velocity[..., None] * place[:, None],
                  by_scale=seconds * motion[:, :3])
