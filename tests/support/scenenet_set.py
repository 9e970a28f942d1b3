"""Writes a small data set in SceneNet RGB-D's published layout, byte by byte.

The protobuf wire format is written here by hand, from the published field numbers, so
that a mistake in the reader's own table of fields cannot hide.
"""

import struct
from pathlib import Path

import cv2
import numpy as np

WALL, TABLE, BACKGROUND = 1, 2, 0
#: z in metres of the wall that fills every view
WALL_Z = 2.5
FRAME_STEP = 25


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def integer(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def real(number: int, value: float) -> bytes:
    return varint(number << 3 | 5) + struct.pack("<f", value)


def block(number: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def position(values) -> bytes:
    return b"".join(real(i + 1, v) for i, v in enumerate(values))


def pose(camera, lookat, timestamp: float) -> bytes:
    return block(1, position(camera)) + block(2, position(lookat)) + real(3, timestamp)


def instance(number: int, kind: int, wordnet_id: str = "", english: str = "") -> bytes:
    light_info, object_info = block(5, integer(1, 2)), block(6, real(2, 0.8))
    names = block(2, wordnet_id) + block(3, english) if wordnet_id else b""
    return integer(1, number) + names + integer(4, kind) + light_info + object_info


def trajectory(render_path: str, views: list[tuple], instances: list[bytes]) -> bytes:
    """``views`` are (camera, lookat) at shutter open and (camera, lookat) at its close."""
    content = block(1, integer(1, 3) + block(2, "kitchen/kitchen6_layout.obj"))
    content += b"".join(block(2, i) for i in instances)
    for n, (opened, closed) in enumerate(views):
        content += block(3, integer(1, FRAME_STEP * n) + block(2, pose(*opened, float(n)))
                         + block(3, pose(*closed, n + 1 / 60)))
    return content + block(4, render_path)


STANDARD_INSTANCES = [
    instance(BACKGROUND, 1), instance(WALL, 2, "04546855", "wall"),
    instance(TABLE, 4, "04379243", "table")]


def standard_views(count: int) -> list[tuple]:
    """A camera that moves along x and looks along z, and moves 2 cm while it exposes."""
    return [(((0.5 * n, 1.2, 0.0), (0.5 * n, 1.2, 4.0)),
             ((0.5 * n + 0.02, 1.2, 0.0), (0.5 * n + 0.02, 1.2, 4.0))) for n in range(count)]


def write_images(folder: Path, count: int) -> None:
    """A wall at ``WALL_Z``, a table over its left half, background in the top ten rows."""
    for kind in ("photo", "depth", "instance"):
        (folder / kind).mkdir(parents=True)
    x = (np.arange(320) - 159.5) / (160 / np.tan(np.radians(30)))
    y = (np.arange(240) - 119.5) / (120 / np.tan(np.radians(22.5)))
    length = WALL_Z * np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2)
    instances = np.full((240, 320), WALL, np.uint16)
    instances[:, :160] = TABLE
    instances[:10] = BACKGROUND
    millimetres = np.where(instances == BACKGROUND, 0, np.round(1000 * length))
    photo = np.where(instances == TABLE, 60, 200).astype(np.uint8)
    for n in range(count):
        name = str(FRAME_STEP * n)
        cv2.imwrite(str(folder / "photo" / f"{name}.jpg"), photo)
        cv2.imwrite(str(folder / "depth" / f"{name}.png"), millimetres.astype(np.uint16))
        cv2.imwrite(str(folder / "instance" / f"{name}.png"), instances)


def write_set(data: Path, views: int = 3,
              render_paths: tuple[str, ...] = ("0/7", "0/223")) -> None:
    """``data/val/<render_path>/...`` and ``data/scenenet_rgbd_val.pb``."""
    content = b""
    for render_path in render_paths:
        write_images(data / "val" / render_path, views)
        content += block(1, trajectory(render_path, standard_views(views), STANDARD_INSTANCES))
    (data / "scenenet_rgbd_val.pb").write_bytes(content)
