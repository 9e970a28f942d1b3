"""A drive through a procedural town, with exact truth: ``streets:SEED``."""

from collections.abc import Iterator

import numpy as np
import torch

from scenecode.core.errors import SourceError
from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.data.rendering.effects import EffectsConfig, camera_effects
from scenecode.networks.data.streets import (
    DriveConfig,
    StreetConfig,
    Town,
    Traffic,
    drive,
    render,
)
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame, GroundTruth

#: horizontal focal length over image width, (low, high), one for each seed: from KITTI's to that
#: of Cityscapes
_FOCAL_OVER_WIDTH = (0.55, 1.1)


class StreetsSource:
    """A ``Source`` of frames of a drive through the town of a seed, rendered on demand.

    Poses in the truth are in the town's own frame (z up).  The truth tells where something moves.
    ``baseline`` (metres) adds a second camera to the right of the first, see ``right_frame``.
    ``effects`` adds what a real camera does to pictures; ``supersample`` smooths edges.
    Raises ``SourceError`` for a negative seed or no frames.
    """

    is_live = False
    unreadable = 0
    original = None

    def __init__(self, seed: int, frames: int = 300, width: int = 256, height: int = 192,
                 fps: float = 10.0, supersample: int = 1, street: StreetConfig = StreetConfig(),
                 driving: DriveConfig = DriveConfig(), baseline: float | None = None,
                 effects: EffectsConfig | None = None):
        if seed < 0 or frames < 1 or fps <= 0:
            raise SourceError(f"streets:{seed} with {frames} frames at {fps} fps; expected a seed "
                              ">= 0, at least one frame and a positive rate")
        self.name, self.fps, self.length = f"streets:{seed}", float(fps), frames
        rng = np.random.default_rng([seed, 7])
        focal = float(np.exp(rng.uniform(*np.log(_FOCAL_OVER_WIDTH)))) * width
        self.camera = PinholeCamera(fx=focal, fy=focal, cx=(width - 1) / 2, cy=(height - 1) / 2,
                                    width=width, height=height)
        self._seed, self._supersample, self._effects = seed, supersample, effects
        self.baseline = baseline
        self._town = Town(seed, street)
        self._way = drive(self._town, seed, frames, fps, driving)
        self._traffic = Traffic(self._town, self._way, seed, fps)

    def __iter__(self) -> Iterator[Frame]:
        return map(self.frame, range(self.length))

    @property
    def town(self) -> Town:
        """The town, with its true surfaces."""
        return self._town

    @property
    def poses(self) -> np.ndarray:
        """(N, 4, 4) float64 ``T_world_cam`` of all frames."""
        return self._way.T_world_cam

    def frame(self, index: int) -> Frame:
        """Render one frame."""
        return self._render(index, self.poses[index])

    def right_frame(self, index: int) -> Frame:
        """What the right camera of the pair sees at the moment of a frame.

        Raises ``SourceError`` for a source without a baseline.
        """
        if self.baseline is None:
            raise SourceError(f"{self.name} has one camera; open it with a baseline for two")
        T_world_right = self.poses[index].copy()
        T_world_right[:3, 3] += self.baseline * T_world_right[:3, 0]
        return self._render(index, T_world_right)

    def _render(self, index: int, T_world_cam: np.ndarray) -> Frame:
        seen = render(self._town, T_world_cam, self.camera, self._supersample,
                      self._traffic.at(index))
        view = seen.view
        pixels = view.image if self._effects is None else camera_effects(
            view.image, self._seed, index, self.fps, self._effects)
        image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
        truth = GroundTruth(T_world_cam=torch.from_numpy(T_world_cam.copy()),
                            depth=torch.from_numpy(view.depth),
                            labels=torch.from_numpy(view.labels), classes=CITYSCAPES_19,
                            moving=torch.from_numpy(seen.moving))
        return Frame(index=index, timestamp=index / self.fps, image=image.contiguous(),
                     camera=self.camera, truth=truth)

    def close(self) -> None:
        """Nothing to release."""
