"""True depth from 16-bit images next to the photographs."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.core.images import read_map
from scenecode.networks.data.base.depth_unit import stated_depth_scale
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.visibility import nearest_points
from scenecode.slam.records.true_depth import register_depth
from scenecode.slam.sources.base.image_sequence import ImageItem, TruthReader
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.rectifier import RawTruth


def metric_depth(units_per_metre: float, none_values: tuple[int, ...] = (0,)
                 ) -> Callable[[np.ndarray], np.ndarray]:
    """Turns stored values (H, W) into z in metres, float32, 0 unknown; ``none_values`` mark
    pixels without a measurement."""
    def metres(raw: np.ndarray) -> np.ndarray:
        depth = np.where(np.isin(raw, none_values), 0, raw).astype(np.float32)
        depth /= units_per_metre
        return depth
    return metres


def depth_scale(folder: Path, options: SourceOptions, usual: float) -> float:
    """Stored steps of one metre: the user's, else what the folder states, else the ``usual``
    ones of its layout.  Raises ``DataError`` for a statement that is no positive number."""
    return options.depth_scale or stated_depth_scale(folder) or usual


def pose_and_depth(metres: Callable[[np.ndarray], np.ndarray],
                   depth_camera: PinholeCamera | None = None,
                   T_colour_depth: Tensor | None = None) -> TruthReader:
    """Reads the depth image of an item; ``metres`` turns its stored values into z in metres.

    Depth of a ``depth_camera`` of its own, undistorted, is registered to the colour image;
    ``T_colour_depth`` (4, 4) leads from one camera to the other (default: the same place).
    """
    # from the same place every depth image corresponds in the same way
    pixels_seen = lru_cache(maxsize=1)(_pixels_seen)

    def read(item: ImageItem, camera: PinholeCamera) -> RawTruth:
        if item.depth is None:
            return RawTruth(T_world_cam=item.T_world_cam)
        depth = metres(read_map(item.depth))
        if depth_camera is not None:
            height, width = depth.shape
            own = depth_camera.resized(width, height)
            depth, ideal = _undistorted(depth, own), own.undistorted()
            if T_colour_depth is None:
                depth = np.append(depth, np.float32(0))[pixels_seen(ideal, camera)]
            else:
                depth = register_depth(torch.from_numpy(depth), ideal, T_colour_depth,
                                       camera).numpy()
        return RawTruth(T_world_cam=item.T_world_cam, depth=depth)
    return read


def _pixels_seen(camera: PinholeCamera, other: PinholeCamera) -> np.ndarray:
    """(H, W) number, counted row by row, of the pixel of an ideal ``camera`` that each pixel of
    ``other`` at the same place sees; -1 for none."""
    rays = camera.rays(camera.pixel_grid(torch.float64))
    return nearest_points(other.distort(rays), rays[:, 2], other.width, other.height).numpy()


def _undistorted(depth: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    """Depth (H, W) as an ideal lens would give it, values taken over without mixing."""
    if not camera.is_distorted:
        return depth
    rays = camera.rays(camera.pixel_grid(torch.float64))
    lookup = camera.distort(rays).reshape(*depth.shape, 2).float().numpy()
    return cv2.remap(depth, lookup, np.empty(0, np.float32), cv2.INTER_NEAREST)
