"""Corrections of labels of a result folder, ``corrections.json`` in it.

A folder holds no codes, so that every correction is an override: the pixels of the region, and
through depth and poses what other keyframes and the cloud have of the same surface.  The files of
the folder stay as the run wrote them; whoever loads the folder gets the corrected labels.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from scenecode.core.atomic_write import write_text
from scenecode.core.errors import ResultError
from scenecode.slam.corrections.correction import Correction, CorrectionList
from scenecode.slam.corrections.regions import Region
from scenecode.slam.records.snapshot import FusedCloud, KeyframeView, Snapshot, StoredMaps

CORRECTIONS = "corrections.json"
#: Relative difference of depth up to which a point lies on the surface of a region.
_TOLERANCE = 0.05


def read_corrections(folder: Path) -> CorrectionList:
    """The corrections of a folder; raises ``ResultError`` for a damaged file."""
    path = folder / CORRECTIONS
    if not path.is_file():
        return CorrectionList()
    try:
        return CorrectionList(tuple(_correction(entry) for entry in json.loads(
            path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultError(f"{path}: must be a list of corrections ({error}); remove the file to "
                          "see the labels of the run") from error


def write_corrections(folder: Path, corrections: CorrectionList) -> None:
    """Replace the corrections of a folder."""
    write_text(folder / CORRECTIONS, json.dumps(
        [asdict(entry) for entry in corrections.entries], indent=1) + "\n")


def corrected(snapshot: Snapshot, corrections: CorrectionList) -> Snapshot:
    """The content of a folder with its corrections, whose keyframes are frame indices."""
    views = {view.frame_index: view for view in snapshot.keyframes}
    usable = [entry for entry in corrections.active if entry.keyframe in views
              and entry.label < len(snapshot.classes)
              and (entry.region.width, entry.region.height) == (
                  views[entry.keyframe].camera.width, views[entry.keyframe].camera.height)]
    if not usable:
        return snapshot
    regions = [(entry, views[entry.keyframe], views[entry.keyframe].depth, entry.region.mask)
               for entry in usable]
    keyframes = tuple(_corrected_view(view, regions) for view in snapshot.keyframes)
    chunks = dict(snapshot.cloud.chunks)
    for key, chunk in chunks.items():
        labels, confidence = chunk.labels.copy(), chunk.confidence.copy()
        for entry, own, depth, mask in regions:
            seen = _in_region(chunk.points.astype(np.float64), own, depth, mask)
            labels[seen], confidence[seen] = entry.label, 1.0
        chunks[key] = replace(chunk, labels=labels, confidence=confidence)
    return replace(snapshot, keyframes=keyframes, cloud=FusedCloud(chunks))


#: A correction, the view of its keyframe, its depth (H, W) and the region (H, W).
_Stated = tuple[Correction, KeyframeView, np.ndarray, np.ndarray]


def _corrected_view(view: KeyframeView, regions: Sequence[_Stated]) -> KeyframeView:
    depth = view.depth
    camera = view.camera
    rays = camera.rays(camera.pixel_grid()).numpy()
    T = view.T_world_cam
    points = (rays * depth.reshape(-1, 1)) @ T[:3, :3].T + T[:3, 3]
    labels, confidence = view.labels.copy(), view.confidence.copy()
    for entry, own, own_depth, mask in regions:
        seen = mask if own is view else \
            _in_region(points, own, own_depth, mask).reshape(depth.shape) & (depth > 0)
        labels[seen], confidence[seen] = entry.label, 1.0
    if np.array_equal(labels, view.labels):
        return view
    return replace(view, maps=StoredMaps(image=view.image, depth=depth, depth_std=view.depth_std,
                                         labels=labels, confidence=confidence))


def _in_region(points: np.ndarray, own: KeyframeView, depth: np.ndarray,
               mask: np.ndarray) -> np.ndarray:
    """(N,) bool: which points (N, 3) of the world are on the surface of a region of a view."""
    index, u, v, z = own.pixels_of(points)
    seen = np.zeros(len(points), bool)
    seen[index] = mask[v, u] & (np.abs(depth[v, u] - z) < _TOLERANCE * z)
    return seen


def _correction(entry: dict) -> Correction:
    region = Region(width=int(entry["region"]["width"]), height=int(entry["region"]["height"]),
                    runs=tuple(int(run) for run in entry["region"]["runs"]))
    return Correction(
        number=int(entry["number"]), keyframe=int(entry["keyframe"]), region=region,
        label=int(entry["label"]), kind="override", weight=float(entry["weight"]),
        active=bool(entry["active"]), timestamp=float(entry["timestamp"]))
