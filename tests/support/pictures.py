"""Small pictures that can be distinguished, and files of them."""

import cv2
import numpy as np

from scenecode.slam.sources import SourceOptions

WIDTH, HEIGHT = 64, 48
#: fx, fy, cx, cy of such pictures.
INTRINSICS = (60.0, 60.0, 31.5, 23.5)


def picture(value, width=WIDTH, height=HEIGHT):
    """An image whose left half has the given grey."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :width // 2] = value
    return image


def write_picture(path, image):
    """Encode an image by the ending of its name; through bytes, so that any name will do."""
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


def write_pictures(folder, names, width=WIDTH, height=HEIGHT):
    """Pictures of grey 10, 20, 30 ... in a folder; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        write_picture(folder / name, picture(10 + 10 * i, width, height))
    return folder


def greys(frames):
    """The grey in which each frame's picture was painted."""
    return [round(float(f.image[0, :, :8].mean()) * 255) for f in frames]


def small(**changes):
    """Options for 32x24 frames of such pictures."""
    return SourceOptions(**{"intrinsics": INTRINSICS, "width": 32, "height": 24, **changes})
