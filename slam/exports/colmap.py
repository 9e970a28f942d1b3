"""A COLMAP text model: ``images/`` and ``sparse/0/`` with cameras, images and points.

COLMAP's cameras are as ours (x right, y down, z ahead), poses are ``T_cam_world``; pixels are half
a pixel further: the corner of the first one is at (0, 0), its centre at (0.5, 0.5).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from scenecode.core.atomic_write import write_text
from scenecode.core.images import write_rgb
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.exports.keyframe_arrays import write_class_table
from scenecode.slam.output.saved_map import SavedMap

#: Observations further from their landmark's projection are left out, pixels.
MAX_ERROR = 4.0
#: Points of the cloud that are written where a map has no landmarks, at most.
MAX_CLOUD_POINTS = 100_000
_HALF_PIXEL = 0.5


@dataclass(frozen=True)
class _Points:
    """N points in the world, and M observations of them in keyframes."""

    xyz: np.ndarray
    colours: np.ndarray
    #: (N,) mean distance between projections and observations, pixels
    error: np.ndarray
    #: (M,) which point, which keyframe, and (M, 2) pixels
    point: np.ndarray
    keyframe: np.ndarray
    pixels: np.ndarray


def write_colmap(saved: SavedMap, folder: Path, progress: Callable[[int, int], None]) -> None:
    """``images/NNNNNN.png``, undistorted, by frame index; in ``sparse/0`` ``cameras.txt``,
    ``images.txt`` and ``points3D.txt``, with landmarks that two keyframes observe;
    ``classes.csv``.

    A result folder has no landmarks: its points are points of the fused cloud, with no
    observations.
    """
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    cameras = _numbered({view.camera for view in saved.keyframes})
    points = _observed_landmarks(saved) if len(saved.landmarks) else _cloud_points(saved)
    write_text(model / "cameras.txt", _cameras_text(cameras))
    write_text(model / "images.txt", _images_text(saved, cameras, points))
    write_text(model / "points3D.txt", _points_text(points))
    write_images(saved, folder / "images", progress)
    write_class_table(saved.classes, folder)


def write_images(saved: SavedMap, folder: Path, progress: Callable[[int, int], None]) -> None:
    """``NNNNNN.png`` of every keyframe, undistorted, by frame index."""
    folder.mkdir()
    for done, view in enumerate(saved.keyframes, 1):
        write_rgb(folder / f"{view.frame_index:06d}.png", view.image)
        progress(done, len(saved.keyframes))


def _numbered(cameras: set[PinholeCamera]) -> dict[PinholeCamera, int]:
    ordered = sorted(cameras, key=lambda c: (c.width, c.height, c.fx, c.fy, c.cx, c.cy))
    return {camera: number for number, camera in enumerate(ordered, 1)}


def _cameras_text(cameras: dict[PinholeCamera, int]) -> str:
    lines = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[] (fx, fy, cx, cy)"]
    for c, number in cameras.items():
        lines.append(f"{number} PINHOLE {c.width} {c.height} {c.fx:.9g} {c.fy:.9g} "
                     f"{c.cx + _HALF_PIXEL:.9g} {c.cy + _HALF_PIXEL:.9g}")
    return "\n".join(lines) + "\n"


def _images_text(saved: SavedMap, cameras: dict[PinholeCamera, int], points: _Points) -> str:
    lines = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME (T_cam_world)",
             "# POINTS2D[] as (X, Y, POINT3D_ID)"]
    for index, view in enumerate(saved.keyframes):
        T = np.linalg.inv(view.T_world_cam)
        x, y, z, w = Rotation.from_matrix(T[:3, :3]).as_quat()
        pose = " ".join(f"{value:.12g}" for value in (w, x, y, z, *T[:3, 3]))
        lines.append(f"{index + 1} {pose} {cameras[view.camera]} {view.frame_index:06d}.png")
        own = points.keyframe == index
        lines.append(" ".join(
            f"{u + _HALF_PIXEL:.4f} {v + _HALF_PIXEL:.4f} {point + 1}" for (u, v), point
            in zip(points.pixels[own].tolist(), points.point[own].tolist())))
    return "\n".join(lines) + "\n"


def _points_text(points: _Points) -> str:
    lines = ["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)"]
    # the place of every observation among those of its image
    order = np.argsort(points.keyframe, kind="stable")
    place = np.empty(len(order), np.int64)
    counts = np.bincount(points.keyframe, minlength=1)
    place[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    by_point = np.argsort(points.point, kind="stable")
    ends = np.searchsorted(points.point[by_point], np.arange(len(points.xyz) + 1))
    for n, (xyz, colour, error) in enumerate(zip(
            points.xyz.tolist(), points.colours.tolist(), points.error.tolist())):
        own = by_point[ends[n]:ends[n + 1]]
        track = [f"{k + 1} {i}" for k, i in zip(points.keyframe[own].tolist(),
                                                place[own].tolist())]
        lines.append(" ".join([str(n + 1), *(f"{value:.9g}" for value in xyz),
                               *(str(c) for c in colour), f"{error:.4f}", *track]))
    return "\n".join(lines) + "\n"


def _observed_landmarks(saved: SavedMap) -> _Points:
    """The landmarks that two keyframes or more observe where they are."""
    landmarks = saved.landmarks
    projected = np.full(landmarks.pixels.shape, np.inf)
    colours = np.zeros((len(landmarks), 3), np.uint8)
    for index, view in enumerate(saved.keyframes):
        own = np.flatnonzero(landmarks.keyframe == index)
        if not len(own):
            continue
        T, c = np.linalg.inv(view.T_world_cam), view.camera
        x = landmarks.points[landmarks.landmark[own]] @ T[:3, :3].T + T[:3, 3]
        front = x[:, 2] > 1e-6
        own, x = own[front], x[front]
        projected[own] = x[:, :2] / x[:, 2:] * [c.fx, c.fy] + [c.cx, c.cy]
        # the last keyframe that observes a landmark gives its colour
        at = np.rint(landmarks.pixels[own]).astype(int).clip(0, [c.width - 1, c.height - 1])
        colours[landmarks.landmark[own]] = view.image[at[:, 1], at[:, 0]]
    distance = np.linalg.norm(projected - landmarks.pixels, axis=1)
    good = distance <= MAX_ERROR
    count = np.bincount(landmarks.landmark[good], minlength=len(landmarks))
    chosen = count >= 2
    good &= chosen[landmarks.landmark]
    new_index = np.cumsum(chosen) - 1
    total = np.bincount(landmarks.landmark[good], weights=distance[good],
                        minlength=len(landmarks))
    return _Points(xyz=landmarks.points[chosen], colours=colours[chosen],
                   error=(total / np.maximum(count, 1))[chosen],
                   point=new_index[landmarks.landmark[good]], keyframe=landmarks.keyframe[good],
                   pixels=landmarks.pixels[good])


def _cloud_points(saved: SavedMap) -> _Points:
    """Points of the cloud, spread evenly over it, without observations."""
    cloud = saved.cloud
    step = max(1, -(-len(cloud) // MAX_CLOUD_POINTS))
    xyz = cloud.points[::step].astype(np.float64)
    none = np.zeros(0, np.int64)
    return _Points(xyz=xyz, colours=cloud.colours[::step], error=np.zeros(len(xyz)), point=none,
                   keyframe=none, pixels=np.zeros((0, 2)))
