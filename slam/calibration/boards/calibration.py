"""Calibration from images of a board (Zhang 2000), by OpenCV."""

from collections.abc import Callable, Iterable

import cv2
import numpy as np
from numpy import ndarray

from scenecode.core.errors import CalibrationError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.optim.imaging import image as imaging
from scenecode.slam.calibration.boards.board import Board
from scenecode.slam.calibration.result import NAMES, CalibratedCamera, scaled_result
from scenecode.slam.features.orb import grey
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.base.source import Source

#: Views that a calibration needs, and that are used at most.
_MIN_VIEWS, _MAX_VIEWS = 5, 60
#: A view is new when its corners are this fraction of the image width away from all others', and
#: leaves the calibration with so many times the median error.
_NOVELTY, _OUTLIER = 0.03, 3.0

_View = tuple[ndarray, ndarray]


def calibrate_board(source: Source, board: Board, advance: Callable[[int], None]
                    ) -> CalibratedCamera:
    """fx, fy, cx, cy, k1, k2, p1 and p2 from the views of a board.

    Raises ``CalibrationError`` where it is seen too rarely, or always alike.
    """
    views, size, count = _collect(source, board, advance)
    if len(views) < _MIN_VIEWS:
        raise CalibrationError(
            f"{source.name}: {len(views)} different views of the {board} in {count} frames, needs "
            f"{_MIN_VIEWS}; check --board (none calibrates from the motion), and show the board "
            "whole, tilted, near and far, in all parts of the image")
    for _ in range(2):
        rms, matrix, lens, sigma, per_view, residuals = _calibrated(views, size)
        error = float(np.median(per_view))
        good = [view for view, e in zip(views, per_view) if e < _OUTLIER * error]
        if len(good) in (len(views), *range(_MIN_VIEWS)):
            break
        views = good
    width, height = size
    camera = PinholeCamera(
        fx=float(matrix[0, 0]), fy=float(matrix[1, 1]), cx=float(matrix[0, 2]),
        cy=float(matrix[1, 2]), width=width, height=height,
        distortion=BrownConrady(*map(float, lens[:4])))
    pixels = np.concatenate([p for _, p in views])
    original = source.original or camera
    return scaled_result(camera, dict(zip(NAMES, map(float, sigma[:8]))), rms,
                         f"{board}: {len(pixels)} corners in {len(views)} views", pixels,
                         residuals, original.width, original.height)


def _collect(frames: Iterable[Frame], board: Board, advance: Callable[[int], None]
             ) -> tuple[list[_View], tuple[int, int], int]:
    views: list[_View] = []
    outlines: list[ndarray] = []
    size, count = (0, 0), 0
    for frame in frames:
        image = grey(imaging.intensity(frame.image))
        size, count = (image.shape[1], image.shape[0]), count + 1
        advance(count)
        found = board.find(image) if len(views) < _MAX_VIEWS else None
        if found is None:
            continue
        outline = np.array([found[1].mean(0), found[1].std(0), found[1].min(0), found[1].max(0)])
        if all(np.abs(outline - other).max() > _NOVELTY * size[0] for other in outlines):
            views.append(found)
            outlines.append(outline)
    return views, size, count


def _calibrated(views: list[_View], size: tuple[int, int]
                ) -> tuple[float, ndarray, ndarray, ndarray, ndarray, ndarray]:
    """OpenCV's rms, camera matrix, distortion (5,), standard deviations (18,), errors of the views
    (V,), and residuals (O, 2)."""
    points, pixels = [p[:, None] for p, _ in views], [p[:, None] for _, p in views]
    rms, matrix, lens, turns, shifts, sigma, _, per_view = cv2.calibrateCameraExtended(
        points, pixels, size, np.eye(3), np.zeros(5), flags=cv2.CALIB_FIX_K3)
    residuals = [cv2.projectPoints(x, turn, shift, matrix, lens)[0][:, 0] - p[:, 0]
                 for x, p, turn, shift in zip(points, pixels, turns, shifts)]
    return (float(rms), matrix, np.ravel(lens), np.ravel(sigma), np.ravel(per_view),
            np.concatenate(residuals))
