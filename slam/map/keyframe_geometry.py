"""What is known of a resting keyframe's surfaces without its prediction."""

from dataclasses import dataclass, replace
from math import exp

import torch
from torch import Tensor

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging.lookup import sample_view
from scenecode.slam.map.keyframe import Keyframe

#: Columns and rows of the coarse grid of points.
GRID_WIDTH, GRID_HEIGHT = 16, 12


@dataclass(frozen=True)
class KeyframeGeometry:
    """Depth of a keyframe at a coarse grid and at its features."""

    #: metres
    median_depth: float
    #: (GRID_HEIGHT * GRID_WIDTH, 3) points in the keyframe's frame, row by row
    grid: Tensor
    #: (N,) metres
    feature_depths: Tensor

    def rescaled(self, log_factor: float) -> "KeyframeGeometry":
        """The same with depth multiplied by ``exp(log_factor)``."""
        factor = exp(log_factor)
        return replace(self, median_depth=self.median_depth * factor, grid=self.grid * factor,
                       feature_depths=self.feature_depths * factor)


def grid_pixels(camera: PinholeCamera, like: Tensor) -> Tensor:
    """(GRID_HEIGHT * GRID_WIDTH, 2) centres of the grid's cells in pixels of a camera's image, of
    the type and on the device of another tensor."""
    cells = camera.resized(GRID_WIDTH, GRID_HEIGHT).pixel_grid(like.dtype, like.device)
    size = cells.new_tensor([camera.width / GRID_WIDTH, camera.height / GRID_HEIGHT])
    return (cells + 0.5) * size - 0.5


def keyframe_geometry(keyframe: Keyframe, code_depth: Tensor) -> KeyframeGeometry:
    """Of a keyframe at a depth code (Kd,)."""
    depth = keyframe.depth(code_depth)
    camera = keyframe.camera.resized(GRID_WIDTH, GRID_HEIGHT)
    at_grid = sample_view(depth[..., None], grid_pixels(keyframe.camera, depth))[:, 0]
    points, _ = camera.backproject(camera.pixel_grid(depth.dtype, depth.device), at_grid)
    pixels = torch.from_numpy(keyframe.features.pixels).to(depth)
    return KeyframeGeometry(median_depth=float(at_grid.median()), grid=points,
                            feature_depths=sample_view(depth[..., None], pixels)[:, 0])
