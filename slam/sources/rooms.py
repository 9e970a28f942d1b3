"""A walk through a procedural room, with exact truth: ``rooms:SEED``."""

import numpy as np

from scenecode.networks.classes import NYU13
from scenecode.networks.data.rooms import (
    EffectsConfig,
    PathConfig,
    Room,
    RoomConfig,
    generate_room,
    hand_held_path,
    render,
)
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.rendered import RenderedSource

#: horizontal focal length over image width: that of NYUv2's crop
_FOCAL_OVER_WIDTH = 237 / 256


class RoomsSource(RenderedSource):
    """A ``Source`` of frames of a hand-held walk through the room of a seed, rendered on demand.

    Poses in the truth are in the room's own frame (z up, origin in a lower corner).
    ``effects`` adds what a real camera does to pictures; ``supersample`` smooths edges.
    Raises ``SourceError`` for a negative seed or no frames.
    """

    def __init__(self, seed: int, frames: int = 250, width: int = 256, height: int = 192,
                 fps: float = 30.0, supersample: int = 1, room: RoomConfig = RoomConfig(),
                 path: PathConfig = PathConfig(), effects: EffectsConfig | None = None):
        super().__init__("rooms", seed, frames, fps, effects)
        self.camera = PinholeCamera.centred(_FOCAL_OVER_WIDTH * width, width, height)
        self._supersample = supersample
        self._room = generate_room(seed, room)
        self._poses = hand_held_path(self._room, seed, frames, fps, path)

    @property
    def room(self) -> Room:
        """The room, with its true surfaces."""
        return self._room

    @property
    def poses(self) -> np.ndarray:
        return self._poses

    def frame(self, index: int) -> Frame:
        T_world_cam = self._poses[index]
        view = render(self._room, T_world_cam, self.camera, self._supersample)
        return self.frame_of(index, T_world_cam, view, NYU13)

    def close(self) -> None:
        """Nothing to release."""
