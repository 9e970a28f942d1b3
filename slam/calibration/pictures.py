"""Pictures of a calibration: where it was observed, what remains, and what the lens does."""

import cv2
import numpy as np
import torch
from numpy import ndarray

from scenecode.slam.calibration.result import CalibratedCamera

#: Cells along the longer side, and pixels of the residuals' arrows for one pixel of error.
_CELLS, _ARROW_SCALE = 24, 40.0
#: Lines of the grid, and samples of each.
_LINES, _SAMPLES = 13, 65
_DARK, _LIGHT, _BLUE, _ORANGE = (28, 28, 28), (235, 235, 235), (214, 126, 44), (30, 140, 240)


def coverage(result: CalibratedCamera) -> ndarray:
    """(H, W, 3) uint8: brighter where more corners were observed, with the arrows of the mean
    residual of each cell."""
    camera = result.camera
    cell = max(camera.width, camera.height) / _CELLS
    across, down = (int(np.ceil(side / cell)) for side in (camera.width, camera.height))
    column = np.clip((result.pixels[:, 0] / cell).astype(int), 0, across - 1)
    row = np.clip((result.pixels[:, 1] / cell).astype(int), 0, down - 1)
    number = row * across + column
    count = np.bincount(number, minlength=across * down)
    level = np.log1p(count) / np.log1p(max(int(count.max(initial=0)), 1))
    picture = cv2.applyColorMap((255 * level.reshape(down, across)).astype(np.uint8),
                                cv2.COLORMAP_CIVIDIS)
    picture = cv2.resize(picture, (camera.width, camera.height),
                         interpolation=cv2.INTER_NEAREST)
    mean = np.stack([np.bincount(number, result.residuals[:, axis], across * down)
                     for axis in (0, 1)], 1) / np.maximum(count, 1)[:, None]
    for at in np.flatnonzero(count >= 5):
        start = (np.array([at % across, at // across]) + 0.5) * cell
        end = start + _ARROW_SCALE * mean[at]
        cv2.arrowedLine(picture, _point(start), _point(end), _LIGHT, 1, cv2.LINE_AA, tipLength=0.3)
    _caption(picture, f"{len(result.pixels)} observations; arrows: mean residual x "
                      f"{_ARROW_SCALE:.0f}")
    return picture


def residuals(result: CalibratedCamera) -> ndarray:
    """(H, H, 3) uint8: the residuals of all observations, circles at the root mean square error
    and twice and three times as far."""
    side = 480
    picture = np.full((side, side, 3), _DARK, np.uint8)
    rms = max(result.rms, 1e-6)
    scale = side / 2 / (4 * rms)
    where = np.round(result.residuals * scale + side / 2).astype(int)
    inside = ((where >= 0) & (where < side)).all(1)
    density: ndarray = np.zeros((side, side))
    np.add.at(density, (where[inside, 1], where[inside, 0]), 1.0)
    density = cv2.GaussianBlur(density, (0, 0), 2.0)
    level = (255 * np.sqrt(density / max(density.max(), 1e-12))).astype(np.uint8)
    picture = np.maximum(picture, cv2.applyColorMap(level, cv2.COLORMAP_CIVIDIS)
                         * (level > 8)[..., None])
    for times in (1, 2, 3):
        cv2.circle(picture, (side // 2, side // 2), round(times * rms * scale), _LIGHT, 1,
                   cv2.LINE_AA)
    _caption(picture, f"residuals; circles at 1, 2, 3 x {rms:.2f} px")
    return picture


def straightened_grid(result: CalibratedCamera) -> ndarray:
    """(H, W, 3) uint8: a grid that is straight in the scene (orange), and as the lens images it
    (blue)."""
    camera = result.camera
    picture = np.full((camera.height, camera.width, 3), _LIGHT, np.uint8)
    ideal = camera.undistorted()
    t = np.linspace(0, 1, _SAMPLES)
    lines = []
    for at in np.linspace(0, 1, _LINES):
        lines += [np.stack([t * camera.width, np.full_like(t, at * camera.height)], 1),
                  np.stack([np.full_like(t, at * camera.width), t * camera.height], 1)]
    for line in lines:
        cv2.polylines(picture, [np.round(line).astype(np.int32)], False, _ORANGE, 1, cv2.LINE_AA)
        seen = camera.distort(ideal.rays(torch.from_numpy(line))).numpy()
        seen = np.clip(np.nan_to_num(seen), -1e4, 1e4)
        cv2.polylines(picture, [np.round(seen).astype(np.int32)], False, _BLUE, 2, cv2.LINE_AA)
    _caption(picture, "orange: straight lines; blue: as the lens images them")
    return picture


def _point(x: ndarray) -> tuple[int, int]:
    return round(float(x[0])), round(float(x[1]))


def _caption(picture: ndarray, text: str) -> None:
    cv2.rectangle(picture, (0, 0), (picture.shape[1], 22), _DARK, -1)
    cv2.putText(picture, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _LIGHT, 1, cv2.LINE_AA)
