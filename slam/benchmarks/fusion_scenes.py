"""Short groups of labelled views for the evaluation of label fusion: a reference and the views
that follow it, with true depth, poses and labels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import degrees
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scenecode.core.errors import DataError
from scenecode.networks.data.rooms import EffectsConfig, PathConfig, RoomConfig
from scenecode.networks.prediction import Predictor
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.fusion.label_views import LabelView
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources import SourceOptions, open_source
from scenecode.slam.sources.rooms import RoomsSource

#: First room of those reported; those before it, from ``TUNING_SEED`` on, are for choosing
#: settings.  Training rooms start above both.
REPORTED_SEED, TUNING_SEED = 50_000, 40_000
#: Frames of each room's walk, at 30 a second.
WALK_FRAMES = 300
#: Frames from a view to the next, fewest and most: with the path below, neighbouring views are
#: 0.15 m and 6 degrees apart on average (paper, table 1).
STEP_FRAMES = (3, 20)
PATH = PathConfig(yaw_sway=30.0)
#: Rays along each side of a pixel at the edges of faces.
SUPERSAMPLE = 2


@dataclass(frozen=True)
class LabelledFrame:
    """A frame whose pose, depth and labels are known, as ``scenecode.slam.records.frame``."""

    index: int
    camera: PinholeCamera
    #: (3, H, W) float32 in [0, 1]
    image: Tensor
    #: (4, 4)
    T_world_cam: Tensor
    #: (H, W) metres, 0 where unknown
    depth: Tensor
    #: (H, W) uint8 class ids
    labels: Tensor

    @staticmethod
    def of(frame: Frame, name: str) -> "LabelledFrame":
        """Raises ``DataError``, which names the data set, where any of these is unknown."""
        truth = frame.truth
        if truth is None or truth.T_world_cam is None or truth.depth is None \
                or truth.labels is None:
            raise DataError(f"{name}: image {frame.index} lacks pose, depth or labels; label "
                            "fusion needs them for every image")
        return LabelledFrame(index=frame.index, camera=frame.camera, image=frame.image,
                             T_world_cam=truth.T_world_cam, depth=truth.depth,
                             labels=truth.labels)


@dataclass(frozen=True)
class Group:
    """A reference, first, and the views after it."""

    #: of the trajectory, unique in a data set
    trajectory: str
    frames: tuple[LabelledFrame, ...]

    def poses(self) -> np.ndarray:
        """(V, 4, 4) ``T_world_cam``."""
        return np.stack([frame.T_world_cam.double().numpy() for frame in self.frames])

    def labels(self) -> Tensor:
        """(H, W) true class ids of the reference."""
        return self.frames[0].labels

    def views(self, predictor: Predictor) -> list[LabelView]:
        """The views with the network's prediction of each image."""
        found = []
        for frame in self.frames:
            with torch.inference_mode():
                prediction = predictor.predict(frame.image, frame.camera)
            found.append(LabelView(camera=frame.camera, T_world_cam=frame.T_world_cam.float(),
                                   image=frame.image, depth=frame.depth,
                                   prediction=prediction.detached().to("cpu")))
        return found


class RoomTrajectories:
    """Walks through unseen rooms, with the camera's imperfections.

    Item i is the list of groups of the i-th room, deterministic in seed and i.
    """

    def __init__(self, count: int, views: int, references: int, first_seed: int = REPORTED_SEED,
                 width: int = 256, height: int = 192, room: RoomConfig = RoomConfig()):
        self._count, self._views, self._references = count, views, references
        self._first, self._size, self._room = first_seed, (width, height), room

    def __len__(self) -> int:
        return self._count

    def name(self, index: int) -> str:
        return f"rooms:{self._first + index}"

    def groups(self, index: int) -> list[Group]:
        """The groups of one walk, one in each equal part of it."""
        seed = self._first + index
        source = RoomsSource(seed, WALK_FRAMES, *self._size, supersample=SUPERSAMPLE,
                             room=self._room, path=PATH, effects=EffectsConfig())
        rng = np.random.default_rng([seed, 8])
        part = WALK_FRAMES // self._references
        groups = []
        for start in range(0, part * self._references, part):
            steps = rng.integers(*STEP_FRAMES, endpoint=True, size=self._views - 1)
            chosen = np.concatenate([[0], np.cumsum(steps)])
            first = start + int(rng.integers(max(1, part - chosen[-1])))
            chosen = np.minimum(first + chosen, WALK_FRAMES - 1)
            frames = [LabelledFrame.of(source.frame(n), self.name(index))
                      for n in chosen.tolist()]
            groups.append(Group(self.name(index), tuple(frames)))
        return groups


class FolderTrajectories:
    """Sequences with poses, depth and labels on disk, such as SceneNet RGB-D trajectories.

    ``root`` is one, or holds some (two levels deep at most).  Neighbouring views are
    ``stride`` images apart.
    """

    def __init__(self, root: Path, views: int, references: int, stride: int = 1,
                 width: int = 256, height: int = 192):
        self._folders = _sequences(root)
        self._views, self._references, self._stride = views, references, stride
        self._options = SourceOptions(width=width, height=height)

    def __len__(self) -> int:
        return len(self._folders)

    def name(self, index: int) -> str:
        return str(self._folders[index])

    def groups(self, index: int) -> list[Group]:
        """The groups of one sequence, evenly spread; raises ``DataError`` without full truth."""
        source = open_source(self.name(index), self._options)
        span = (self._views - 1) * self._stride
        last = (source.length or 0) - 1 - span
        if last < 0:
            raise DataError(f"{self.name(index)}: {source.length} images, a group of views needs "
                            f"{span + 1}; ask for fewer views or a smaller stride")
        starts = sorted(set(np.linspace(0, last, self._references).round().astype(int).tolist()))
        wanted = {start + k * self._stride for start in starts for k in range(self._views)}
        frames = {}
        for frame in source:
            if frame.index in wanted:
                frames[frame.index] = LabelledFrame.of(frame, self.name(index))
            if frame.index >= max(wanted):
                break
        source.close()
        groups = [[start + k * self._stride for k in range(self._views)] for start in starts]
        # an image that cannot be read takes its group with it
        return [Group(self.name(index), tuple(frames[n] for n in group)) for group in groups
                if all(n in frames for n in group)]


def motion_statistics(poses: Sequence[np.ndarray]) -> dict[str, dict[str, float]]:
    """Of groups of poses (V, 4, 4): ``consecutive`` views, as in the paper's table 1, and every
    view against its ``reference``; mean, deviation and largest of metres and degrees."""
    pairs = {"consecutive": list(_pairs(poses, lambda k: k - 1)),
             "reference": list(_pairs(poses, lambda k: 0))}
    return {name: _statistics(np.array(values)) for name, values in pairs.items() if values}


def _pairs(poses: Sequence[np.ndarray],
           other: Callable[[int], int]) -> Iterator[tuple[float, float]]:
    """Metres and degrees from view ``other(k)`` to view k of each group."""
    for group in poses:
        for k in range(1, len(group)):
            T = torch.from_numpy(np.linalg.inv(group[other(k)]) @ group[k])
            yield float(T[:3, 3].norm()), degrees(float(se3.rotation_angle(T)))


def _statistics(values: np.ndarray) -> dict[str, float]:
    """Mean, deviation and largest of the columns metres and degrees (N, 2)."""
    statistics: dict[str, float] = {}
    for unit, column in zip(("m", "deg"), values.T):
        statistics |= {f"mean_{unit}": float(column.mean()), f"std_{unit}": float(column.std()),
                       f"max_{unit}": float(column.max())}
    return statistics


def _sequences(root: Path) -> list[Path]:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give rooms, or a folder of sequences with "
                        "poses, depth and labels")
    found = [p for p in (root, *sorted(root.glob("*")), *sorted(root.glob("*/*")))
             if (p / "photo").is_dir()]
    if not found:
        raise DataError(f"{root}: no SceneNet RGB-D trajectory (photo, depth, instance) in it or "
                        "in the folders inside; label fusion needs labels of every image")
    return found
