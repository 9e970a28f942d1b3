"""A drive through a procedural town, with exact truth: ``streets:SEED``."""

import numpy as np

from scenecode.core.errors import SourceError
from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.data.rendering.effects import EffectsConfig
from scenecode.networks.data.streets import (
    DriveConfig,
    StreetConfig,
    Town,
    Traffic,
    drive,
    render,
)
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.rendered import RenderedSource

#: horizontal focal length over image width, (low, high), one for each seed: from KITTI's to that
#: of Cityscapes
_FOCAL_OVER_WIDTH = (0.55, 1.1)


class StreetsSource(RenderedSource):
    """A ``Source`` of frames of a drive through the town of a seed, rendered on demand.

    Poses in the truth are in the town's own frame (z up).  The truth tells where something moves.
    ``baseline`` (metres) adds a second camera to the right of the first, see ``right_frame``.
    ``effects`` adds what a real camera does to pictures; ``supersample`` smooths edges.
    Raises ``SourceError`` for a negative seed or no frames.
    """

    def __init__(self, seed: int, frames: int = 300, width: int = 256, height: int = 192,
                 fps: float = 10.0, supersample: int = 1, street: StreetConfig = StreetConfig(),
                 driving: DriveConfig = DriveConfig(), baseline: float | None = None,
                 effects: EffectsConfig | None = None):
        super().__init__("streets", seed, frames, fps, effects)
        rng = np.random.default_rng([seed, 7])
        focal = float(np.exp(rng.uniform(*np.log(_FOCAL_OVER_WIDTH)))) * width
        self.camera = PinholeCamera.centred(focal, width, height)
        self._supersample, self.baseline = supersample, baseline
        self._town = Town(seed, street)
        self._way = drive(self._town, seed, frames, fps, driving)
        self._traffic = Traffic(self._town, self._way, seed, fps)

    @property
    def town(self) -> Town:
        """The town, with its true surfaces."""
        return self._town

    @property
    def poses(self) -> np.ndarray:
        return self._way.T_world_cam

    def frame(self, index: int) -> Frame:
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
        return self.frame_of(index, T_world_cam, seen.view, CITYSCAPES_19, seen.moving)

    def close(self) -> None:
        """Nothing to release."""
