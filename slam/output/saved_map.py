"""A finished map, read from a map file or a result folder: for exporters, meshes and viewers.

::

    saved = open_saved("kitchen.map")
    for view in saved.keyframes:            # in the order of time
        view.T_world_cam, view.depth, view.labels
    saved.probabilities(0)                  # (C, H, W), from a map file
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scenecode.core.errors import ResultError
from scenecode.networks.classes import ClassSet
from scenecode.networks.prediction import Predictor
from scenecode.optim.geometry import se3
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.corrections.corrected_map import Corrector
from scenecode.slam.evaluation.report import make_report
from scenecode.slam.fusion.map_fusion import Fusion
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.landmarks import Observation
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile.map_file import live_map
from scenecode.slam.mapfile.network import map_config, map_network
from scenecode.slam.mapfile.storage.reading import load
from scenecode.slam.mapfile.storage.records import StoredMap
from scenecode.slam.output.result_folder import (
    CONFIG,
    REPORT,
    TRAJECTORY,
    TRAJECTORY_LIVE,
    load_result,
)
from scenecode.slam.records.ground import ground_frame
from scenecode.slam.records.snapshot import DenseMaps, FusedCloud, KeyframeView, Snapshot
from scenecode.slam.records.trajectory import Trajectory, read_tum
from scenecode.slam.tracking.frame_rows import FRAME_ROW
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.timings import Timings

#: Classes whose points show the ground.
GROUND_CLASSES = ("floor", "ground", "road")

#: Called with the keyframes that are done and the number of all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SavedLoop:
    """A closed loop between two keyframes, as places in ``SavedMap.keyframes``."""

    older: int
    newer: int


@dataclass(frozen=True)
class SavedLandmarks:
    """L landmarks and their M observations; keyframes as places in ``SavedMap.keyframes``."""

    #: (L, 3) float64 metres, world frame
    points: np.ndarray
    #: (L,) float64, standard deviation of ln depth as the network predicted it
    log_std: np.ndarray
    #: (M,) int64, and where each was observed: (M,) int64 and (M, 2) float64 pixels; the keyframe
    #: that introduced a landmark observes it, too, and comes first
    landmark: np.ndarray
    keyframe: np.ndarray
    pixels: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    @staticmethod
    def empty() -> "SavedLandmarks":
        return SavedLandmarks(points=np.zeros((0, 3)), log_std=np.zeros(0),
                              landmark=np.zeros(0, np.int64), keyframe=np.zeros(0, np.int64),
                              pixels=np.zeros((0, 2)))


@dataclass(frozen=True)
class SavedMap:
    """A map as it stands.  World frame: that of the first camera, metres; poses ``T_world_cam``,
    cameras look along +z with +y down; the pixel at (0, 0) has its centre there."""

    path: Path
    classes: ClassSet
    #: in the order of time; dense arrays are computed at every access
    keyframes: tuple[KeyframeView, ...]
    #: of each keyframe: its number in the map file, or its frame index in a result folder
    numbers: tuple[int, ...]
    cloud: FusedCloud
    #: every tracked frame, as known at the end and as known when it was tracked
    trajectory: Trajectory
    trajectory_live: Trajectory
    #: empty of a result folder, which does not hold them
    loops: tuple[SavedLoop, ...]
    landmarks: SavedLandmarks
    #: [first, last] frame indices of each uninterrupted loss of the pose
    losses: tuple[tuple[int, int], ...]
    #: as in ``report.json``; of a map file without times and errors
    report: Mapping[str, Any]
    #: YAML text of the configuration
    config: str
    _probabilities: Callable[[int], np.ndarray] | None = field(default=None, repr=False)

    def probabilities(self, index: int) -> np.ndarray | None:
        """(C, H, W) float32, fused class probabilities of the keyframe at a place in
        ``keyframes``, computed at every call; None of a result folder, which has only labels and
        their confidence.

        They are resized bilinearly: at the borders of labels the most probable class may differ
        from ``labels`` of the keyframe, for which neighbouring pixels vote.
        """
        return None if self._probabilities is None else self._probabilities(index)

    @property
    def has_probabilities(self) -> bool:
        """Whether ``probabilities`` are known."""
        return self._probabilities is not None

    @cached_property
    def T_ground_world(self) -> np.ndarray:
        """(4, 4) float64: x to the right, y ahead and z up, the origin on the floor under the
        first keyframe; see ``scenecode.slam.records.ground.ground_frame``."""
        poses = np.array([view.T_world_cam for view in self.keyframes]).reshape(-1, 4, 4)
        ids = [n for n, name in enumerate(self.classes.names) if name in GROUND_CLASSES]
        points = self.cloud.points
        return ground_frame(poses, points, points[np.isin(self.cloud.labels, ids)])

    @property
    def up(self) -> np.ndarray:
        """(3,) unit vector in the world frame, away from the floor."""
        return self.T_ground_world[2, :3]

    @property
    def snapshot(self) -> Snapshot:
        """The map as viewers take it."""
        views = self.keyframes
        return Snapshot(
            version=1, classes=self.classes, keyframes=views, cloud=self.cloud,
            trajectory=self.trajectory.T_world_cam, timestamps=self.trajectory.timestamps,
            loops=tuple((views[loop.older].frame_index, views[loop.newer].frame_index)
                        for loop in self.loops),
            losses=self.losses)


def open_saved(path: str | Path, predictor: Predictor | None = None, *, model: str | None = None,
               device: str = "auto", progress: Progress = lambda done, total: None,
               dense: bool = True) -> SavedMap:
    """The map in a map file or in a result folder.

    What is dense in a map file is computed again by the network that made it: a ``predictor`` at
    hand, or by default the one whose weights have the name or path ``model``, by default the name
    that they had then; ``progress`` is called after every keyframe.  Sessions follow each other in
    time.  Without ``dense``, for those who need poses, the network runs only for keyframes whose
    maps are used, and the cloud of a map file is empty.

    Raises ``ResultError`` for what is neither, damaged, or of another network, and
    ``CheckpointError`` when there are no such weights.
    """
    path = Path(path)
    if path.is_dir():
        return saved_folder(path)
    if not path.exists():
        raise ResultError(f"{path}: no such map file or result folder; give the --map file or the "
                          "--out folder of a run")
    stored = load(path)
    if predictor is None:
        predictor = map_network(stored.meta, path, model, device)
    return saved_map(stored, path, predictor, map_config(stored.meta, path, device), progress,
                     dense)


def saved_folder(path: Path) -> SavedMap:
    """The map in a result folder.  Raises as ``load_result``, and ``ResultError`` for a damaged
    trajectory or report."""
    snapshot = load_result(path)
    report = _read_report(path / REPORT)
    spans = report.get("lost_spans") or []
    live, config = path / TRAJECTORY_LIVE, path / CONFIG
    return SavedMap(
        path=path, classes=snapshot.classes, keyframes=snapshot.keyframes,
        numbers=tuple(view.frame_index for view in snapshot.keyframes), cloud=snapshot.cloud,
        trajectory=read_tum(path / TRAJECTORY),
        trajectory_live=read_tum(live) if live.is_file() else Trajectory(),
        loops=(), landmarks=SavedLandmarks.empty(),
        losses=tuple((int(first), int(last)) for first, last in spans), report=report,
        config=config.read_text(encoding="utf-8") if config.is_file() else "")


def saved_map(stored: StoredMap, path: Path, predictor: Predictor, config: SlamConfig,
              progress: Progress = lambda done, total: None, dense: bool = True) -> SavedMap:
    """The map in a file that was read already, with the network that made it; ``progress`` and
    ``dense`` as for ``open_saved``."""
    loaded = live_map(stored, WorkingMemory(predictor, config.device), config.device)
    graph, fusion = loaded.graph, Fusion(config.fusion, loaded.image_depths)
    corrected = Corrector(config.fusion).apply(graph, loaded.corrections)
    fusion.set_map(corrected.graph, stated=corrected.stated, settled=True)
    if dense:
        _fuse_all(fusion, len(graph), progress)
    rows = [loaded.frames[session] for session in sorted(loaded.frames)]
    recording = Recording.of(np.concatenate([np.zeros(0, FRAME_ROW), *rows]))
    views = fusion.keyframe_views() if dense else {
        number: _lazy_view(graph, fusion, number) for number in graph.keyframes}
    numbers = tuple(sorted(views, key=lambda n: views[n].timestamp))
    place = {number: index for index, number in enumerate(numbers)}
    return SavedMap(
        path=path, classes=stored.meta.classes, keyframes=tuple(views[n] for n in numbers),
        numbers=numbers, cloud=fusion.cloud, trajectory=recording.final(graph),
        trajectory_live=recording.live(),
        loops=tuple(SavedLoop(older=place[loop.older], newer=place[loop.newer])
                    for loop in graph.loops if loop.older in place and loop.newer in place),
        landmarks=_landmarks(graph, numbers),
        losses=tuple((first, last) for first, last in recording.lost_spans()),
        report=make_report(recording, Timings(), graph, scores={}, resident_mb=0.0),
        config=stored.meta.config,
        _probabilities=lambda index: fusion.probabilities(numbers[index]))


def _fuse_all(fusion: Fusion, total: int, progress: Progress) -> None:
    for number in fusion.unmatched:
        fusion.match(number)
    for done, number in enumerate(fusion.never_fused, 1):
        fusion.fuse(number)
        progress(done, total)
    while fusion.place():
        pass


def _lazy_view(graph: KeyframeGraph, fusion: Fusion, number: int) -> KeyframeView:
    keyframe = graph.keyframes[number]
    return KeyframeView(frame_index=keyframe.frame_index, timestamp=keyframe.timestamp,
                        T_world_cam=graph.states[number].T_world_cam.double().numpy(force=True),
                        camera=keyframe.camera, maps=_LazyMaps(fusion, number))


@dataclass(frozen=True)
class _LazyMaps:
    """The ``DenseMaps`` of a keyframe, fused at the first access."""

    fusion: Fusion
    number: int

    @property
    def image(self) -> np.ndarray:
        return self._fused.image

    @property
    def depth(self) -> np.ndarray:
        return self._fused.depth

    @property
    def depth_std(self) -> np.ndarray:
        return self._fused.depth_std

    @property
    def labels(self) -> np.ndarray:
        return self._fused.labels

    @property
    def confidence(self) -> np.ndarray:
        return self._fused.confidence

    @property
    def _fused(self) -> DenseMaps:
        if self.number in self.fusion.never_fused:
            for number in self.fusion.unmatched_around(self.number):
                self.fusion.match(number)
            self.fusion.fuse(self.number)
        return self.fusion.keyframe_views()[self.number].maps


def _landmarks(graph: KeyframeGraph, numbers: tuple[int, ...]) -> SavedLandmarks:
    """The landmarks of all keyframes, which are at the place of their number."""
    place = {number: index for index, number in enumerate(numbers)}
    empty, first = SavedLandmarks.empty(), 0
    points, log_std = [empty.points], [empty.log_std]
    observations = [(empty.landmark, empty.keyframe, empty.pixels)]
    observers: dict[int, list[tuple[int, Observation]]] = {n: [] for n in graph.landmarks}
    for (introducer, observer), observation in graph.observations.items():
        observers[introducer].append((observer, observation))
    for number, landmarks in graph.landmarks.items():
        seen = landmarks.rays.double() * landmarks.log_depth.double().exp()[:, None]
        world = se3.act(graph.states[number].T_world_cam.double(), seen)
        points.append(world.numpy(force=True))
        log_std.append(landmarks.log_std.double().numpy(force=True))
        own = Observation(index=torch.arange(len(seen)), pixels=landmarks.pixels)
        for observer, found in [(number, own), *observers[number]]:
            observations.append((first + found.index.numpy(force=True).astype(np.int64),
                                 np.full(len(found.index), place[observer]),
                                 found.pixels.double().numpy(force=True)))
        first += len(seen)
    landmark, keyframe, at = (np.concatenate(columns) for columns in zip(*observations))
    order = np.argsort(landmark, kind="stable")
    return SavedLandmarks(points=np.concatenate(points), log_std=np.concatenate(log_std),
                          landmark=landmark[order], keyframe=keyframe[order], pixels=at[order])


def _read_report(path: Path) -> dict[str, Any]:
    """What was measured; empty where a killed run left no report."""
    if not path.is_file():
        return {}
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultError(f"{path}: must be JSON ({error}); remove the file, or run again to "
                          "rewrite it") from error
    if not isinstance(report, dict):
        raise ResultError(f"{path}: must be a JSON object; remove the file, or run again to "
                          "rewrite it")
    return report
