"""A walk through a procedural room, with exact truth: ``rooms:SEED``."""

from collections.abc import Iterator

import numpy as np
import torch

from scenecode.core.errors import SourceError
from scenecode.networks.data.rooms import (
    EffectsConfig,
    PathConfig,
    Room,
    RoomConfig,
    camera_effects,
    generate_room,
    hand_held_path,
    render,
)
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame, GroundTruth

#: horizontal focal length over image width: that of NYUv2's crop
_FOCAL_OVER_WIDTH = 237 / 256


class RoomsSource:
    """A ``Source`` of frames of a hand-held walk through the room of a seed, rendered on demand.

    Poses in the truth are in the room's own frame (z up, origin in a lower corner).
    ``effects`` adds what a real camera does to pictures; ``supersample`` smooths edges.
    Raises ``SourceError`` for a negative seed or no frames.
    """

    is_live = False
    unreadable = 0
    original = None

    def __init__(self, seed: int, frames: int = 250, width: int = 256, height: int = 192,
                 fps: float = 30.0, supersample: int = 1, room: RoomConfig = RoomConfig(),
                 path: PathConfig = PathConfig(), effects: EffectsConfig | None = None):
        if seed < 0 or frames < 1 or fps <= 0:
            raise SourceError(f"rooms:{seed} with {frames} frames at {fps} fps; expected a seed "
                              ">= 0, at least one frame and a positive rate")
        self.name, self.fps, self.length = f"rooms:{seed}", float(fps), frames
        focal = _FOCAL_OVER_WIDTH * width
        self.camera = PinholeCamera(fx=focal, fy=focal, cx=(width - 1) / 2, cy=(height - 1) / 2,
                                    width=width, height=height)
        self._seed, self._supersample, self._effects = seed, supersample, effects
        self._room = generate_room(seed, room)
        self._poses = hand_held_path(self._room, seed, frames, fps, path)

    def __iter__(self) -> Iterator[Frame]:
        return map(self.frame, range(self.length))

    @property
    def room(self) -> Room:
        """The room, with its true surfaces."""
        return self._room

    @property
    def poses(self) -> np.ndarray:
        """(N, 4, 4) float64 ``T_world_cam`` of all frames."""
        return self._poses

    def frame(self, index: int) -> Frame:
        """Render one frame."""
        T_world_cam = self._poses[index]
        view = render(self._room, T_world_cam, self.camera, self._supersample)
        pixels = view.image if self._effects is None else camera_effects(
            view.image, self._seed, index, self.fps, self._effects)
        image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        truth = GroundTruth(T_world_cam=torch.from_numpy(T_world_cam.copy()),
                            depth=torch.from_numpy(view.depth),
                            labels=torch.from_numpy(view.labels))
        return Frame(index=index, timestamp=index / self.fps, image=image.contiguous(),
                     camera=self.camera, truth=truth)

    def close(self) -> None:
        """Nothing to release."""
