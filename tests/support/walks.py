"""Walks through rooms for tests of the running system, and how they are played back."""

import time
from dataclasses import replace
from typing import get_args

import torch
from scipy.spatial.transform import Rotation

from scenecode.networks.classes import NYU13
from scenecode.networks.data.rooms import render
from scenecode.slam.config.mapping import MappingConfig, StageConfig
from scenecode.slam.config.residuals import ResidualConfig, Term
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.rooms import RoomsSource

#: A size at which a frame is tracked in milliseconds.
SMALL = (128, 96)


class Playback:
    """A ``Source`` of frames that are at hand; ``delay`` seconds pass before each."""

    name, is_live, unreadable, original = "playback", False, 0, None

    def __init__(self, frames: list[Frame], fps: float = 30.0, delay: float = 0.0):
        self.frames, self.fps, self.length, self._delay = frames, fps, len(frames), delay

    def __iter__(self):
        for frame in self.frames:
            if self._delay:
                time.sleep(self._delay)
            yield frame

    def close(self) -> None:
        """Nothing to release."""


def walk(seed: int, frames: int, width: int, height: int) -> list[Frame]:
    """The first ``frames`` frames, at 30 a second, of the walk of a room."""
    return list(RoomsSource(seed, frames, width, height))


def turn(seed: int, degrees: list[float], width: int, height: int) -> list[Frame]:
    """Frames of a camera that stands where the walk of a room begins, turned to the right."""
    source, frames = RoomsSource(seed, len(degrees), width, height), []
    for index, angle in enumerate(degrees):
        T_world_cam = source.poses[0].copy()
        T_world_cam[:3, :3] @= Rotation.from_euler("y", angle, degrees=True).as_matrix()
        view = render(source.room, T_world_cam, source.camera)
        frames.append(source.frame_of(index, T_world_cam, view, NYU13))
    return frames


def small_config(adjusted: bool = False) -> SlamConfig:
    """A short schedule with all terms for small images, where speed matters more than the last
    percent; the map is ``adjusted`` as a whole and its frames are placed, or it stays as the
    window left it."""
    schedule = (StageConfig("geometry", 2, 3), StageConfig("geometry", 1, 3),
                StageConfig("semantics", 2, 2), StageConfig("joint", 1, 2))
    mapping = MappingConfig(schedule=schedule, geometric_level=1, semantic_level=2,
                            residuals=ResidualConfig(terms=get_args(Term)),
                            global_adjustment=adjusted)
    return SlamConfig(width=SMALL[0], height=SMALL[1], device="cpu", mapping=mapping)


def with_image(frame: Frame, image: torch.Tensor) -> Frame:
    """The frame with other pixels (3, H, W) and the same truth."""
    return replace(frame, image=image)
