"""The result folder: readable after every keyframe, complete at the end, and read back from disk.

Every file is whole at any time.  New keyframes, ``keyframes.txt`` and ``report.json`` are written
at once; the other files, and the images of older keyframes, may be of an earlier moment.

    trajectory.txt        every tracked frame, final (TUM)
    trajectory_live.txt   the same frames as known at the time
    keyframes.txt         poses of the keyframes (TUM)
    keyframes/NNNNNN/     rgb, depth, labels, uncertainty, confidence images and camera.json
    map.ply               fused labelled points
    classes.json          id, name and colour of each class
    config.yaml           the resolved configuration
    report.json           what was measured
    overview.png          the map and some keyframes at a glance, at the end of a run
    annotations.json      what a user measured and marked in the viewer
    polygons.glb .ply .geojson .png   the polygon map, where one was wanted
    .lock                 locked while a run writes here

``depth.png`` and ``uncertainty.png`` are 16-bit millimetres (0 unknown), ``labels.png``
class ids (255 void), ``confidence.png`` probability times 255.
"""

import json
import logging
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import BaseFileLock

from scenecode.core.atomic_write import PART_SUFFIX, write_text
from scenecode.core.errors import DataError, ResultError, ScenecodeError
from scenecode.core.images import write_rgb
from scenecode.networks.classes import ClassSet
from scenecode.slam.output.folder_corrections import (
    CORRECTIONS,
    corrected,
    read_corrections,
)
from scenecode.slam.output.folder_lock import LOCK, lock_folder
from scenecode.slam.output.formats.ply import read_ply, write_ply
from scenecode.slam.output.keyframe_files import WrittenKeyframe, read_keyframe, write_keyframe
from scenecode.slam.records.snapshot import FusedCloud, KeyframeView, Snapshot
from scenecode.slam.records.trajectory import Trajectory, read_tum, write_tum

TRAJECTORY = "trajectory.txt"
TRAJECTORY_LIVE = "trajectory_live.txt"
KEYFRAMES = "keyframes.txt"
KEYFRAME_FOLDER = "keyframes"
MAP = "map.ply"
CLASSES = "classes.json"
CONFIG = "config.yaml"
REPORT = "report.json"
OVERVIEW = "overview.png"
ANNOTATIONS = "annotations.json"
#: Of a polygon map.
POLYGONS_GLB, POLYGONS_PLY = "polygons.glb", "polygons.ply"
POLYGONS_PLAN, POLYGONS_PICTURE = "polygons.geojson", "polygons.png"

#: In the order of clearing.  A class list marks a folder as ours: it is written first and
#: removed last, so that an interrupted clearing can be resumed.
_FILES = (TRAJECTORY, TRAJECTORY_LIVE, KEYFRAMES, MAP, REPORT, OVERVIEW, ANNOTATIONS, CONFIG,
          POLYGONS_GLB, POLYGONS_PLY, POLYGONS_PLAN, POLYGONS_PICTURE, CORRECTIONS, CLASSES)
#: Stamps are written with 6 decimals.
_STAMP_TOLERANCE = 1e-6

_log = logging.getLogger(__name__)


class ResultFolder:
    """Writes a run's results; every file is replaced whole.  Used by one thread at a time.

    The folder is locked against other runs until ``close``, or the end of the process.
    """

    def __init__(self, path: Path, lock: BaseFileLock):
        self.path = path
        self._lock = lock
        #: what the folders of the keyframes show, by frame index
        self._keyframes: dict[int, WrittenKeyframe] = {}
        self._cloud: FusedCloud | None = None

    @staticmethod
    def create(path: str | Path, classes: ClassSet, config_text: str,
               map_file: Path | None = None) -> "ResultFolder":
        """Start a result in ``path``, made when absent; an earlier result there is cleared.  The
        ``map_file`` of the run may lie in it.

        Raises ``ResultError`` when the folder holds something else, is in use by another run,
        or cannot be made, and for a map file that has the name of a file of a result.
        """
        path = Path(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            _require_ours(path, map_file)
            lock = lock_folder(path)
            _clear(path)
            (path / KEYFRAME_FOLDER).mkdir(exist_ok=True)
        except OSError as error:
            raise ResultError(f"cannot make the result folder {path}: "
                              f"{error.strerror or error}; give another --out") from error
        write_text(path / CLASSES, json.dumps(classes.to_json(), indent=1) + "\n")
        write_text(path / CONFIG, config_text)
        result = ResultFolder(path, lock)
        result.write_trajectories(Trajectory(), Trajectory())
        result.write_map(Snapshot(version=0, classes=classes))
        return result

    def write_map(self, snapshot: Snapshot) -> None:
        """Write all of the keyframes and of the cloud that is not on disk yet.

        Raises ``ResultError`` when the folder was emptied meanwhile: what is written once is
        lost.
        """
        for view in self.outdated(snapshot.keyframes):
            self.write_keyframe(view)
        self.write_poses(snapshot.keyframes)
        self.write_cloud(snapshot.cloud)

    def is_new(self, view: KeyframeView) -> bool:
        """Whether there is no folder of this keyframe yet."""
        return view.frame_index not in self._keyframes

    def outdated(self, keyframes: Sequence[KeyframeView]) -> list[KeyframeView]:
        """Those whose folder is missing or shows other maps, in the order of writing: the ones
        without a folder, then the others, and of either the last first."""
        shown = {index: written.maps for index, written in self._keyframes.items()}
        stale = [view for view in reversed(keyframes)
                 if shown.get(view.frame_index) is not view.maps]
        return sorted(stale, key=lambda view: not self.is_new(view))

    def write_keyframe(self, view: KeyframeView) -> None:
        """Write those images of a keyframe that are not on disk yet.  Raises as ``write_map``."""
        self._require_present()
        self._keyframes[view.frame_index] = write_keyframe(
            self._keyframe_folder(view.frame_index), view, self._keyframes.get(view.frame_index))

    def write_poses(self, keyframes: Sequence[KeyframeView]) -> None:
        """Write ``keyframes.txt``, and remove the folders of keyframes that are not in it.  Raises
        as ``write_map``."""
        self._require_present()
        poses = Trajectory(np.array([v.timestamp for v in keyframes]),
                           np.array([v.T_world_cam for v in keyframes]).reshape(-1, 4, 4))
        write_tum(self.path / KEYFRAMES, poses)
        for frame_index in self._keyframes.keys() - {view.frame_index for view in keyframes}:
            shutil.rmtree(self._keyframe_folder(frame_index), ignore_errors=True)
            del self._keyframes[frame_index]

    def write_cloud(self, cloud: FusedCloud) -> None:
        """Write ``map.ply``, unless it holds this very cloud.  Raises as ``write_map``."""
        self._require_present()
        if cloud is not self._cloud:
            write_ply(self.path / MAP, cloud)
            self._cloud = cloud

    def write_trajectories(self, final: Trajectory, live: Trajectory) -> None:
        """Write ``trajectory.txt`` (poses as known now) and ``trajectory_live.txt`` (as they were
        when the frame was tracked)."""
        write_tum(self.path / TRAJECTORY, final)
        write_tum(self.path / TRAJECTORY_LIVE, live)

    def write_report(self, report: Mapping[str, Any]) -> None:
        """Write ``report.json``; numbers that are not finite become null."""
        text = json.dumps(_jsonable(report), indent=1, allow_nan=False)
        write_text(self.path / REPORT, text + "\n")

    def write_overview(self, picture: np.ndarray) -> None:
        """Write ``overview.png`` from (H, W, 3) uint8."""
        write_rgb(self.path / OVERVIEW, picture)

    def close(self) -> None:
        """Let other runs use the folder."""
        self._lock.release()

    def _require_present(self) -> None:
        if not (self.path / CLASSES).is_file():
            raise ResultError(f"{self.path} was removed or emptied while a run wrote it; leave it "
                              "until the run has ended, and run again")

    def _keyframe_folder(self, frame_index: int) -> Path:
        return self.path / KEYFRAME_FOLDER / f"{frame_index:06d}"


def load_result(path: str | Path) -> Snapshot:
    """A result folder as a snapshot, with the corrections that users made; a damaged keyframe is
    skipped with a warning.

    Raises ``ResultError`` when the folder, its classes, corrections, trajectory or map are missing
    or damaged.
    """
    return corrected(load_written(path), read_corrections(Path(path)))


def load_written(path: str | Path) -> Snapshot:
    """As ``load_result``, as the run wrote it.

    Raises ``ResultError`` when the folder, its classes, trajectory or map are missing or
    damaged.
    """
    path = Path(path)
    if not path.is_dir():
        raise ResultError(f"{path}: no such folder; give the --out folder of a run")
    if not (path / CLASSES).is_file():
        raise ResultError(f"{path}: not a result folder, it has no {CLASSES}; give the --out "
                          "folder of a run")
    classes = _read_classes(path / CLASSES)
    keyframes = tuple(_read_keyframes(path))
    return Snapshot(version=1, classes=classes, keyframes=keyframes, cloud=read_ply(path / MAP),
                    trajectory=read_tum(path / TRAJECTORY).T_world_cam)


def _require_ours(path: Path, map_file: Path | None) -> None:
    """Raise ``ResultError`` unless the folder is empty or an earlier result, but for a map file
    with its log and lock."""
    present = [p for p in path.iterdir() if not p.name.endswith(PART_SUFFIX) and p.name != LOCK]
    if map_file is not None and map_file.resolve().parent == path.resolve():
        if map_file.name in (*_FILES, KEYFRAME_FOLDER):
            raise ResultError(f"{map_file} is a name in the result folder {path}; give the map "
                              "another name")
        present = [p for p in present if not p.name.removeprefix(".").startswith(map_file.name)]
    if present and not (path / CLASSES).is_file():
        raise ResultError(f"{path} is not empty and not an earlier result (it holds "
                          f"{present[0].name}); give an empty or a new folder")
    if present:
        _read_classes(path / CLASSES)   # a class list in our form, or an error


def _clear(path: Path) -> None:
    """Remove an earlier result; nothing that a result does not consist of is touched."""
    if (path / KEYFRAME_FOLDER).is_dir():
        shutil.rmtree(path / KEYFRAME_FOLDER)
    for name in _FILES:
        (path / name).unlink(missing_ok=True)


def _read_classes(path: Path) -> ClassSet:
    try:
        return ClassSet.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, DataError) as error:
        raise ResultError(f"{path}: must be a list of classes with id, name and colour "
                          f"({error}); give the --out folder of a run, or for a new run "
                          "another folder") from error


def _read_keyframes(path: Path) -> Iterator[KeyframeView]:
    """The keyframes that have a folder and a pose, in time order."""
    poses = read_tum(path / KEYFRAMES)

    def pose_at(timestamp: float) -> np.ndarray | None:
        found = np.abs(poses.timestamps - timestamp) <= _STAMP_TOLERANCE
        return poses.T_world_cam[int(found.argmax())] if found.any() else None

    folder = path / KEYFRAME_FOLDER
    # keyframes of earlier runs have negative frame indices
    names = sorted((p for p in folder.iterdir() if p.name.removeprefix("-").isdecimal()),
                   key=lambda p: int(p.name)) if folder.is_dir() else []
    for name in names:
        try:
            yield read_keyframe(name, pose_at)
        except ScenecodeError as error:
            _log.warning("skipping a keyframe: %s", error)


def _jsonable(value: Any) -> Any:
    """Plain JSON types: numpy scalars and arrays unpacked, non-finite numbers to None."""
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
