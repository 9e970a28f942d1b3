"""True depth from 16-bit images next to the photographs."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.core.images import read_map
from scenecode.networks.data.base.depth_unit import stated_depth_scale
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
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
    T = se3.identity() if T_colour_depth is None else T_colour_depth

    def read(item: ImageItem, camera: PinholeCamera) -> RawTruth:
        if item.depth is None:
            return RawTruth(T_world_cam=item.T_world_cam)
        depth = metres(read_map(item.depth))
        if depth_camera is not None:
            height, width = depth.shape
            own = depth_camera.resized(width, height)
            depth = register_depth(torch.from_numpy(_undistorted(depth, own)),
                                   own.undistorted(), T, camera).numpy()
        return RawTruth(T_world_cam=item.T_world_cam, depth=depth)
    return read


def _undistorted(depth: np.ndarray, camera: PinholeCamera) -> np.ndarray:
    """Depth (H, W) as an ideal lens would give it, values taken over without mixing."""
    if not camera.is_distorted:
        return depth
    rays = camera.rays(camera.pixel_grid(torch.float64))
    lookup = camera.distort(rays).reshape(*depth.shape, 2).float().numpy()
    return cv2.remap(depth, lookup, np.empty(0, np.float32), cv2.INTER_NEAREST)
