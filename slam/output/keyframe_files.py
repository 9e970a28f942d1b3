"""One keyframe as a folder of images and ``camera.json``."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from scenecode.core.atomic_write import part_path, write_bytes, write_text
from scenecode.core.errors import DataError, ResultError
from scenecode.core.images import read_map, read_rgb, require_size
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.snapshot import DenseMaps, KeyframeView, StoredMaps

#: Largest value of a 16-bit image in millimetres; it also stands for all larger ones.
_MAX_MM = 65535
#: PNG compression level; higher ones take longer and hardly make smaller files.
_COMPRESSION = 1

CAMERA_FILE = "camera.json"


def _millimetres(metres: np.ndarray) -> np.ndarray:
    finite = np.nan_to_num(metres, nan=0.0, posinf=_MAX_MM / 1000)
    return np.clip(np.rint(finite * 1000.0), 0, _MAX_MM).astype(np.uint16)


def _probability_bytes(probability: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(np.nan_to_num(probability) * 255.0), 0, 255).astype(np.uint8)


#: File name, field of ``DenseMaps``, and how its array becomes pixels.
_IMAGES: tuple[tuple[str, str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("rgb.png", "image", lambda image: cv2.cvtColor(image, cv2.COLOR_RGB2BGR)),
    ("depth.png", "depth", _millimetres),
    ("labels.png", "labels", lambda labels: labels.astype(np.uint8)),
    ("uncertainty.png", "depth_std", _millimetres),
    ("confidence.png", "confidence", _probability_bytes),
)


@dataclass(frozen=True)
class WrittenKeyframe:
    """What the folder of a keyframe shows."""

    maps: DenseMaps
    camera: PinholeCamera
    #: by file name, of the pixels
    digests: dict[str, bytes]


def write_keyframe(folder: Path, view: KeyframeView,
                   written: WrittenKeyframe | None) -> WrittenKeyframe:
    """Make ``folder`` show ``view``; returns what to give as ``written`` the next time.

    A new keyframe's folder appears whole.  Of one that shows ``written`` already, only the
    files whose pixels differ are replaced, one by one, so that it is complete at any time.
    """
    if written is not None and folder.is_dir():
        return _write_changed(folder, view, written)
    temporary = part_path(folder)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        complete = _write_changed(temporary, view, None)
        os.replace(temporary, folder)
    except OSError as error:
        raise ResultError(f"cannot write {folder}: {error.strerror or error}; check the free "
                          "space and the permissions") from error
    return complete


def read_keyframe(folder: Path,
                  T_world_cam_at: Callable[[float], np.ndarray | None]) -> KeyframeView:
    """The keyframe in ``folder``; ``T_world_cam_at(timestamp)`` gives its pose (4, 4) or None.

    Raises ``ResultError`` or ``DataError`` for a missing or damaged file.
    """
    path = folder / CAMERA_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        camera = PinholeCamera(content["fx"], content["fy"], content["cx"], content["cy"],
                               content["width"], content["height"])
        frame_index, timestamp = int(content["frame_index"]), float(content["timestamp"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultError(f"{path}: must hold fx, fy, cx, cy, width, height, frame_index and "
                          f"timestamp ({error}); run again to rewrite it") from error
    T = T_world_cam_at(timestamp)
    if T is None:
        raise ResultError(f"{folder}: no pose at {timestamp:.6f} s in keyframes.txt; run again")

    def load(name: str, dtype: type) -> np.ndarray:
        file = folder / name
        pixels = require_size(read_map(file), camera.width, camera.height, file)
        if pixels.dtype != dtype:
            raise DataError(f"{file}: {pixels.dtype} pixels, must be {np.dtype(dtype)}")
        return pixels

    rgb = folder / "rgb.png"
    maps = StoredMaps(
        image=require_size(read_rgb(rgb), camera.width, camera.height, rgb),
        depth=load("depth.png", np.uint16).astype(np.float32) / 1000,
        depth_std=load("uncertainty.png", np.uint16).astype(np.float32) / 1000,
        labels=load("labels.png", np.uint8),
        confidence=load("confidence.png", np.uint8).astype(np.float32) / 255)
    return KeyframeView(frame_index=frame_index, timestamp=timestamp, T_world_cam=T,
                        camera=camera, maps=maps)


def _write_changed(folder: Path, view: KeyframeView,
                   written: WrittenKeyframe | None) -> WrittenKeyframe:
    digests = {} if written is None else dict(written.digests)
    for name, attribute, to_pixels in _IMAGES:
        pixels = np.ascontiguousarray(to_pixels(getattr(view.maps, attribute)))
        digest = hashlib.blake2b(pixels.data, digest_size=16).digest()
        if digests.get(name) != digest:
            _, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
            write_bytes(folder / name, data.tobytes())
            digests[name] = digest
    if written is None or view.camera != written.camera:
        content = {**asdict(view.camera), "frame_index": view.frame_index,
                   "timestamp": round(view.timestamp, 6)}
        del content["distortion"]   # images in here are undistorted
        write_text(folder / CAMERA_FILE, json.dumps(content, indent=1) + "\n")
    return WrittenKeyframe(maps=view.maps, camera=view.camera, digests=digests)
