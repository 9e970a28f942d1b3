"""What sources have in common whose frames are rendered along a known path."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import torch

from scenecode.core.errors import SourceError
from scenecode.networks.classes import ClassSet
from scenecode.networks.data.rendering.effects import EffectsConfig, camera_effects
from scenecode.networks.data.rendering.shading import View
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame, GroundTruth


class RenderedSource(ABC):
    """A ``Source`` whose frames are rendered on demand, with exact truth.

    Raises ``SourceError`` for a negative seed, no frames or no rate.
    """

    is_live = False
    unreadable = 0
    original = None
    camera: PinholeCamera
    #: see ``Frame.camera_height``
    camera_height: float | None = None

    def __init__(self, kind: str, seed: int, frames: int, fps: float,
                 effects: EffectsConfig | None):
        """``effects`` adds what a real camera does to pictures."""
        if seed < 0 or frames < 1 or fps <= 0:
            raise SourceError(f"{kind}:{seed} with {frames} frames at {fps} fps; expected a seed "
                              ">= 0, at least one frame and a positive rate")
        self.name, self.fps, self.length = f"{kind}:{seed}", float(fps), frames
        self._seed, self._effects = seed, effects

    @property
    @abstractmethod
    def poses(self) -> np.ndarray:
        """(N, 4, 4) float64 ``T_world_cam`` of all frames."""

    def stop_after(self, frames: int | None) -> None:
        """Give out no more than so many frames of the same walk."""
        if frames is not None:
            self.length = min(self.length, frames)

    @abstractmethod
    def frame(self, index: int) -> Frame:
        """Render one frame."""

    def __iter__(self) -> Iterator[Frame]:
        return map(self.frame, range(self.length))

    def frame_of(self, index: int, T_world_cam: np.ndarray, view: View,
                 classes: ClassSet | None = None, moving: np.ndarray | None = None) -> Frame:
        """The frame of what is seen from a pose (4, 4), with the truth about it (see
        ``GroundTruth``)."""
        pixels = view.image if self._effects is None else camera_effects(
            view.image, self._seed, index, self.fps, self._effects)
        image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        truth = GroundTruth(T_world_cam=torch.from_numpy(T_world_cam.copy()),
                            depth=torch.from_numpy(view.depth),
                            labels=torch.from_numpy(view.labels), classes=classes,
                            moving=None if moving is None else torch.from_numpy(moving))
        return Frame(index=index, timestamp=index / self.fps, image=image.contiguous(),
                     camera=self.camera, truth=truth, camera_is_known=True,
                     camera_height=self.camera_height)
