"""Image files, windows of images at other sizes, and the step between bytes and numbers.

Files are read and written as bytes: OpenCV alone opens no path that Windows' code page lacks.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.core.atomic_write import write_bytes
from scenecode.core.errors import DataError


def read_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 red, green, blue; ``DataError`` when missing or undecodable."""
    return cv2.cvtColor(_decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_deep_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) red, green, blue, uint16 where the file has 16 bits a channel, else uint8;
    ``DataError`` when missing or undecodable."""
    bgr = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if bgr.dtype not in (np.uint8, np.uint16):
        bgr = _decode(path, cv2.IMREAD_COLOR)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def read_map(path: Path) -> np.ndarray:
    """(H, W) of the file's own integer type; ``DataError`` unless it has one channel."""
    values = _decode(path, cv2.IMREAD_UNCHANGED)
    if values.ndim != 2:
        raise DataError(f"{path}: expected one channel, found {values.shape[2]}; "
                        "depth and label images must be single-channel PNG files")
    return values


def require_size(values: np.ndarray, width: int, height: int, path: Path) -> np.ndarray:
    """``values`` (H, W, ...) unchanged; ``DataError`` when it has another size."""
    if values.shape[:2] != (height, width):
        raise DataError(f"{path}: is {values.shape[1]}x{values.shape[0]}, must be "
                        f"{width}x{height}; fetch the original file")
    return values


def resample_area(image: np.ndarray, box: tuple[int, int, int, int],
                  width: int, height: int) -> np.ndarray:
    """Window ``box`` = (left, top, width, height) of an image (H, W[, C]) at another size.

    Pixel areas are averaged when shrinking and interpolated when growing.
    """
    left, top, w, h = box
    window = image[top:top + h, left:left + w]
    if (w, h) == (width, height):
        return window.copy()
    shrinks = width <= w and height <= h
    return cv2.resize(window, (width, height),
                      interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def resample_nearest(values: np.ndarray, box: tuple[int, int, int, int],
                     width: int, height: int,
                     full_size: tuple[int, int] | None = None) -> np.ndarray:
    """The same for labels and depth: each pixel centre takes the value of the pixel it is in.

    ``box`` is in pixels of an image of ``full_size`` = (width, height), by default that of
    ``values`` (H, W); a map stored at a lower resolution than its photograph gives that size here.
    """
    full_width, full_height = full_size or (values.shape[1], values.shape[0])
    left, top, w, h = box
    x = (left + (np.arange(width) + 0.5) * (w / width)) * (values.shape[1] / full_width)
    y = (top + (np.arange(height) + 0.5) * (h / height)) * (values.shape[0] / full_height)
    return values[np.ix_(y.astype(np.intp), x.astype(np.intp))]


def image_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 to (3, H, W) float32 in [0, 1]."""
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    return torch.from_numpy(planes).float().div_(255)


def image_to_uint8(image: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1], on any device, to (H, W, 3) uint8 in memory of its own; inverse of
    ``image_tensor``."""
    pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0)
    return np.ascontiguousarray(pixels.cpu().numpy())


def write_rgb(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB, in the format of the path's ending, atomically.

    Raises ``ResultError`` where it cannot be written, ``ValueError`` for an unknown ending.
    """
    try:
        _, data = cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    except cv2.error as error:
        raise ValueError(f"{path}: no image format has the ending '{path.suffix}'") from error
    write_bytes(path, data.tobytes())


def png_bytes(values: np.ndarray) -> bytes:
    """An image (H, W) or (H, W, 3) of 8 or 16 bits as a PNG file, channels in their order."""
    return cv2.imencode(".png", values)[1].tobytes()


def from_png_bytes(data: bytes) -> np.ndarray:
    """Inverse of ``png_bytes``, for what the program itself has encoded."""
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))


def _decode(path: Path, flags: int) -> np.ndarray:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; its folder is incomplete, restore it from "
                        "where it came from") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its "
                        "permissions") from error
    values = cv2.imdecode(data, flags) if len(data) else None
    if values is None:
        raise DataError(f"{path}: cannot be decoded as an image; fetch it again")
    return values
