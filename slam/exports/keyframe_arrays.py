"""Keyframes as numpy archives, and the class table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scenecode.core.atomic_write import write_text
from scenecode.networks.classes import ClassSet
from scenecode.slam.output.saved_map import SavedMap

CLASS_TABLE = "classes.csv"


def write_keyframe_arrays(saved: SavedMap, folder: Path,
                          progress: Callable[[int, int], None]) -> None:
    """``keyframes/NNNNNN.npz`` for each keyframe, by frame index, and ``classes.csv``.

    Arrays of an archive: ``image`` (H, W, 3) uint8; ``depth`` and ``depth_std`` (H, W) float32
    metres along the optical axis; ``labels`` (H, W) uint8 class ids, 255 void; ``confidence``
    (H, W) float32; ``probabilities`` (C, H, W) float16, of a map file; ``K`` (3, 3) pixels, with
    the centre of the first pixel at (0, 0); ``T_world_cam`` (4, 4); ``timestamp`` seconds;
    ``frame_index``.
    """
    (folder / "keyframes").mkdir()
    for index, view in enumerate(saved.keyframes):
        camera, probabilities = view.camera, saved.probabilities(index)
        arrays: dict[str, Any] = {
            "image": view.image, "depth": view.depth, "depth_std": view.depth_std,
            "labels": view.labels, "confidence": view.confidence,
            "T_world_cam": view.T_world_cam, "timestamp": view.timestamp,
            "frame_index": view.frame_index,
            "K": np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])}
        if probabilities is not None:
            arrays["probabilities"] = probabilities.astype(np.float16)
        np.savez_compressed(folder / "keyframes" / f"{view.frame_index:06d}.npz", **arrays)
        progress(index + 1, len(saved.keyframes))
    write_class_table(saved.classes, folder)


def write_class_table(classes: ClassSet, folder: Path) -> None:
    """``classes.csv`` in a folder: ``id,name,red,green,blue``."""
    rows = ["id,name,red,green,blue"]
    for n, (name, colour) in enumerate(zip(classes.names, classes.colours)):
        quoted = '"' + name.replace('"', '""') + '"' if set(name) & set(',"\n') else name
        rows.append(f"{n},{quoted},{','.join(str(c) for c in colour)}")
    write_text(folder / CLASS_TABLE, "\n".join(rows) + "\n")
