"""Raw scenes of NYU Depth v2: colour ``r-STAMP-N.ppm`` and depth ``d-STAMP-N.pgm`` of a Kinect.

Depth images hold the Kinect's 11-bit disparities in 16 bits whose bytes are swapped.  Disparity to
depth, both cameras' calibration and the transform between them are the data set's own, published
with its toolbox (Silberman et al. 2012, ``camera_params.m``).
"""

import re
from pathlib import Path

import numpy as np
import torch

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.sources.base.depth_images import pose_and_depth
from scenecode.slam.sources.base.image_sequence import ImageItem, ImageSequence
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.timestamps import SECONDS
from scenecode.slam.sources.datasets.stamped_lists import (
    nearest_within,
    rate_of,
    stamped_files,
)

_COLOUR = re.compile(r"r-(\d+\.\d+)-\d+\.ppm$")
_DEPTH = re.compile(r"d-(\d+\.\d+)-\d+\.pgm$")
#: Seconds between a colour image and its depth, at most; both come at 30 Hz.
_LARGEST_DIFFERENCE = 0.05

#: ``depthParam1`` and ``depthParam2``: depth = 351.3 / (1092.5 - disparity).
_DEPTH_SCALE, _DEPTH_OFFSET = 351.3, 1092.5
#: Metres; what is further away is noise.
_LARGEST_DEPTH = 10.0
_NO_DISPARITY = 2047

COLOUR_CAMERA = PinholeCamera(
    fx=518.85790117450188, fy=519.46961112127485, cx=325.58244941119034, cy=253.73616633400465,
    width=640, height=480, distortion=BrownConrady(
        k1=0.20796615318809061, k2=-0.58613825163911781, p1=0.00072231363135888329,
        p2=0.0010479627195765181, k3=0.49856986684705107))
DEPTH_CAMERA = PinholeCamera(
    fx=582.62448167737955, fy=582.69103270988637, cx=313.04475870804731, cy=238.44389626620386,
    width=640, height=480, distortion=BrownConrady(
        k1=-0.099897236553084481, k2=0.39065324602765344, p1=0.0019290592870229277,
        p2=-0.0019422022475975055, k3=-0.51031725053400578))

# The toolbox maps depth points by x -> R x + t with R = -M^T, which turns them behind the camera,
# where they project as M^T x - t does; its t is in the order x, z, y.
_M = torch.tensor([[9.9997798940829263e-01, 5.0518419386157446e-03, 4.3011152014118693e-03],
                   [-5.0359919480810989e-03, 9.9998051861143999e-01, -3.6879781309514218e-03],
                   [-4.3196624923060242e-03, 3.6662365748484798e-03, 9.9998394948385538e-01]],
                  dtype=torch.float64)
_T = torch.tensor([2.5031875059141302e-02, -2.9342312935846411e-04, 6.6238747008330102e-04],
                  dtype=torch.float64)
#: (4, 4): depth camera to colour camera.
T_COLOUR_DEPTH = se3.from_rotation_translation(se3.normalise_rotation(_M.T), -_T)


def is_nyu_raw(folder: Path) -> bool:
    """True when the folder holds colour images named in this way."""
    return any(_COLOUR.match(p.name) for p in folder.iterdir())


def open_nyu_raw(folder: Path, options: SourceOptions) -> ImageSequence:
    """The colour images with the camera of the data set, stamped by their names; truth is the
    depth nearest in time, registered to the colour image.  There are no true poses."""
    colours, depths = _stamped(folder, _COLOUR), _stamped(folder, _DEPTH)
    images, maps = (stamped_files(str(folder), [float(stamp) for stamp, _ in found],
                                  [path for _, path in found], unit=SECONDS)
                    for found in (colours, depths))
    matched = nearest_within(maps.stamps, images.stamps, _LARGEST_DIFFERENCE)
    items = [ImageItem(index=i, timestamp=float(stamp), image=image,
                       depth=None if match is None else maps.files[match])
             for i, (stamp, image, match) in enumerate(zip(images.stamps, images.files, matched))]
    return ImageSequence(str(folder), items, rate_of(images.stamps), options,
                         known=lambda width, height: COLOUR_CAMERA.resized(width, height),
                         read_truth=pose_and_depth(metres_from_disparity, DEPTH_CAMERA,
                                                   T_COLOUR_DEPTH))


def metres_from_disparity(stored: np.ndarray) -> np.ndarray:
    """z in metres, float32, 0 unknown, of the values (H, W) uint16 in a depth file."""
    disparity = stored.byteswap().astype(np.float32)
    known = (disparity < _DEPTH_OFFSET) & (disparity != _NO_DISPARITY)
    depth = _DEPTH_SCALE / (_DEPTH_OFFSET - np.where(known, disparity, 0))
    return np.where(known & (depth <= _LARGEST_DEPTH), depth, 0).astype(np.float32)


def _stamped(folder: Path, pattern: re.Pattern[str]) -> list[tuple[str, Path]]:
    """Stamp and path of the files whose names match, in order of time."""
    found = ((m[1], p) for p in folder.iterdir() if (m := pattern.match(p.name)))
    return sorted(found, key=lambda pair: (float(pair[0]), pair[1].name))
