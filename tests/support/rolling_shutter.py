"""Frames of a camera whose shutter exposes one band of rows after the other."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.rooms import RoomsSource

#: Images that one is made of.
BANDS = 9


def rolling_walk(seed: int, frames: int, width: int, height: int, readout: float, fps: float
                 ) -> Iterator[tuple[Frame, Tensor]]:
    """The walk of a room, each image exposed in ``readout`` seconds from the top to the bottom,
    and the camera's motion (6,) per second; pose, depth and labels are those of the image's
    middle."""
    step = readout / BANDS
    every = round(1 / fps / step)
    source = RoomsSource(seed, frames * every, width, height, fps=1 / step)
    band_of_row = torch.arange(height) * BANDS // height
    for index in range(frames):
        parts = [source.frame(every * index + band) for band in range(BANDS)]
        rows = [part.image[:, band_of_row == band] for band, part in enumerate(parts)]
        first, last = parts[0].truth.T_world_cam, parts[-1].truth.T_world_cam
        yield (replace(parts[BANDS // 2], index=index, timestamp=index / fps,
                       image=torch.cat(rows, 1)),
               se3.log(se3.inverse(first) @ last) / (step * (BANDS - 1)))
