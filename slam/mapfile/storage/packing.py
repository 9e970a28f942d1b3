"""Arrays as bytes, and back with every check that a damaged or forged file calls for.

Little-endian.  All ``unpack`` functions raise ``ValueError`` with the rule that is broken.
"""

import struct

import cv2
import numpy as np
import torch

from scenecode.optim.geometry import se3

#: Largest distance (metres), and largest factor and divisor of scale, that are taken for real.
_FAR, _SCALES = 1e6, 1e6
#: How far a rotation may be from orthonormal, and a quaternion's length from 1.
_ROTATION_TOLERANCE = 1e-3
#: Pixels are stored as fractions of the image's size, in steps of 1 / 65535.
_STEPS = 65535

_FRAME = np.dtype([("index", "<i8"), ("timestamp", "<f8"), ("keyframe", "<i4"),
                   ("key_scale", "<f4"), ("lost", "u1"), ("T_key_cam", "<f4", 7),
                   ("T_world_cam_live", "<f4", 7)])


def unpack_array(data: bytes, dtype: str, *shape: int) -> np.ndarray:
    """An array of ``shape``, one of which may be -1; floating-point numbers must be finite."""
    known = int(np.prod([n for n in shape if n >= 0], dtype=np.int64)) * np.dtype(dtype).itemsize
    fits = (not len(data) if known == 0 else len(data) % known == 0) if -1 in shape \
        else len(data) == known
    if not fits:
        raise ValueError(f"{len(data)} bytes, which are no array of shape {shape}")
    if -1 in shape and known == 0:
        shape = tuple(max(n, 0) for n in shape)
    array = np.frombuffer(data, dtype).reshape(shape)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("a number is not finite")
    return array.astype(array.dtype.newbyteorder("="))


def pack_array(array: np.ndarray, dtype: str) -> bytes:
    """Inverse of ``unpack_array``."""
    return np.ascontiguousarray(array, dtype).tobytes()


def pack_poses(T: np.ndarray) -> bytes:
    """(..., 4, 4) as 12 numbers each: the first three rows."""
    return pack_array(np.asarray(T)[..., :3, :], "<f4")


def unpack_poses(data: bytes) -> np.ndarray:
    """(N, 4, 4) float32 rigid motions."""
    T = np.zeros((len(data) // 48, 4, 4), np.float32)
    T[:, :3] = unpack_array(data, "<f4", -1, 3, 4)
    T[:, 3, 3] = 1
    R = T[:, :3, :3].astype(np.float64)
    error = np.abs(R @ R.transpose(0, 2, 1) - np.eye(3)).max(initial=0)
    if error > _ROTATION_TOLERANCE or (np.linalg.det(R) < 0).any():
        raise ValueError("a pose is no rotation and translation")
    _require_near(T[:, :3, 3])
    return T


def unpack_pose(data: bytes) -> np.ndarray:
    """(4, 4)."""
    T = unpack_poses(data)
    if len(T) != 1:
        raise ValueError(f"{len(T)} poses in place of one")
    return T[0]


def pack_pixels(pixels: np.ndarray, width: int, height: int) -> bytes:
    """(N, 2) pixels of an image, in steps of its size / 65535; those outside are moved to its
    edge."""
    fraction = (np.asarray(pixels, np.float64) + 0.5) / (width, height)
    return pack_array(np.rint(np.clip(fraction, 0, 1) * _STEPS), "<u2")


def unpack_pixels(data: bytes, width: int, height: int) -> np.ndarray:
    """(N, 2) float32; inverse of ``pack_pixels`` up to half a step."""
    fraction = unpack_array(data, "<u2", -1, 2) / _STEPS
    return (fraction * (width, height) - 0.5).astype(np.float32)


def require_scale(*scales: float) -> None:
    """``ValueError`` unless they are factors by which depth may have been rescaled."""
    if not all(1 / _SCALES < scale < _SCALES for scale in scales):
        raise ValueError(f"scale {scales} is not between {1 / _SCALES:g} and {_SCALES:g}")


def pack_frames(columns: dict[str, np.ndarray]) -> bytes:
    """Frames, with the fields of ``records.StoredFrames``, at 77 bytes each: poses as quaternion
    and translation."""
    table = np.zeros(len(columns["index"]), _FRAME)
    for name in ("index", "timestamp", "keyframe", "key_scale", "lost"):
        table[name] = columns[name]
    for name in ("T_key_cam", "T_world_cam_live"):
        T = torch.from_numpy(np.asarray(columns[name], np.float64))
        quaternions = se3.quaternion_from_rotation(T[:, :3, :3]).numpy()
        table[name] = np.concatenate([quaternions, T[:, :3, 3].numpy()], 1)
    return table.tobytes()


def unpack_frames(data: bytes) -> dict[str, np.ndarray]:
    """Columns of frames in time order; inverse of ``pack_frames``."""
    if len(data) % _FRAME.itemsize:
        raise ValueError(f"{len(data)} bytes, a frame has {_FRAME.itemsize}")
    table = np.frombuffer(data, _FRAME)
    columns: dict[str, np.ndarray] = {
        "index": table["index"].astype(np.int64),
        "timestamp": table["timestamp"].astype(np.float64),
        "keyframe": table["keyframe"].astype(np.int64),
        "key_scale": table["key_scale"].astype(np.float32),
        "lost": table["lost"].astype(bool)}
    if not np.isfinite(columns["timestamp"]).all():
        raise ValueError("the time of a frame is not finite")
    require_scale(*columns["key_scale"].tolist())
    for name in ("T_key_cam", "T_world_cam_live"):
        values = table[name].astype(np.float64)
        lengths = np.linalg.norm(values[:, :4], axis=1)
        if not (np.abs(lengths - 1) < _ROTATION_TOLERANCE).all():
            raise ValueError("the orientation of a frame is no unit quaternion")
        _require_near(values[:, 4:])
        rotation = se3.rotation_from_quaternion(torch.from_numpy(values[:, :4].copy()))
        T = se3.from_rotation_translation(rotation, torch.from_numpy(values[:, 4:].copy()))
        columns[name] = T.float().numpy()
    return columns


def require_jpeg(data: bytes, width: int, height: int) -> None:
    """``ValueError`` unless ``data`` is a JPEG image of this size that decodes."""
    # before decoding: a forged size must not allocate its memory
    size = _jpeg_size(data)
    if size != (width, height):
        raise ValueError(f"the image is {size[0]}x{size[1]}, its camera {width}x{height}")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != (height, width, 3):
        raise ValueError("the image cannot be decoded")


def require_webp(data: bytes, width: int, height: int) -> None:
    """``ValueError`` unless ``data`` is a lossy WebP image of this size that decodes."""
    # before decoding, as above; RFC 9649, section 2.5, and RFC 6386, section 9.1
    if data[:4] != b"RIFF" or data[8:16] != b"WEBPVP8 " or data[23:26] != b"\x9d\x01\x2a":
        raise ValueError("the image is no lossy WebP")
    size = tuple(int.from_bytes(data[at:at + 2], "little") & 0x3FFF for at in (26, 28))
    if size != (width, height):
        raise ValueError(f"the image is {size[0]}x{size[1]}, must be {width}x{height}")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None or image.shape != (height, width):
        raise ValueError("the image cannot be decoded")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height in the frame header of a JPEG image (ITU-T T.81, B.2.2)."""
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2:at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5:at + 9])
            return width, height
        at += 2 + length
    raise ValueError("the image is no JPEG")


def _require_near(translations: np.ndarray) -> None:
    if not (np.abs(translations) < _FAR).all():
        raise ValueError(f"a position is further than {_FAR:g} m from the origin")
