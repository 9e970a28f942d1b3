"""The fused points as a PLY file, with the probability of every class on request."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from scenecode.core.errors import ResultError
from scenecode.networks.classes import ClassSet
from scenecode.slam.exports.options import ExportOptions
from scenecode.slam.output.formats.ply import write_tables
from scenecode.slam.output.saved_map import SavedMap
from scenecode.slam.records.snapshot import KeyframeView

#: Relative difference of depth up to which a keyframe shows a point: fusion's own.
_DEPTH_TOLERANCE = 0.1


def write_point_cloud(saved: SavedMap, out: Path, options: ExportOptions,
                      progress: Callable[[int, int], None]) -> None:
    """``x y z`` metres, ``red green blue``, ``label`` (class id) and ``confidence`` of every
    point; with ``options.probabilities`` a property ``p_NAME`` for every class, the mean over all
    keyframes that show the point."""
    cloud, classes = saved.cloud, saved.classes
    if not len(cloud):
        raise ResultError(f"{saved.path} has no points; map until two keyframes see one surface, "
                          "or export --format npz, which needs none")
    names = probability_names(classes) if options.probabilities else []
    fields: list[tuple[str, str]] = [
        ("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1"),
        ("label", "u1"), ("confidence", "<f4"), *((name, "<f4") for name in names)]
    vertices = np.empty(len(cloud), np.dtype(fields))
    for i, axis in enumerate("xyz"):
        vertices[axis] = cloud.points[:, i]
    for i, colour in enumerate(("red", "green", "blue")):
        vertices[colour] = cloud.colours[:, i]
    vertices["label"], vertices["confidence"] = cloud.labels, cloud.confidence
    if names:
        probabilities = point_probabilities(saved, progress)
        for i, name in enumerate(names):
            vertices[name] = probabilities[:, i]
    write_tables(out, {"vertex": vertices}, ["units metres", *class_comments(classes)])


def probability_names(classes: ClassSet) -> list[str]:
    """The name of the PLY property of each class's probability, all different."""
    names: list[str] = []
    for n, name in enumerate(classes.names):
        plain = "p_" + re.sub(r"[^A-Za-z0-9]+", "_", name)
        names.append(plain if plain not in names else f"{plain}_{n}")
    return names


def class_comments(classes: ClassSet) -> list[str]:
    """``class ID NAME R G B`` for each class."""
    return [f"class {n} {name.replace(' ', '_')} {r} {g} {b}"
            for n, (name, (r, g, b)) in enumerate(zip(classes.names, classes.colours))]


def point_probabilities(saved: SavedMap, progress: Callable[[int, int], None]) -> np.ndarray:
    """(N, C) float32: of the points of the cloud, the mean of the fused class probabilities of all
    keyframes that show them.

    A point that none shows has the confidence of its label; the other classes share the rest.
    Raises ``ResultError`` for a map that has none.
    """
    if not saved.has_probabilities:
        raise ResultError(f"{saved.path}: a result folder holds labels and their confidence, not "
                          "the probabilities of all classes; export the map file that 'scenecode "
                          "run --map' keeps")
    cloud, count = saved.cloud, len(saved.classes)
    points = cloud.points.astype(np.float64)
    total = np.zeros((len(points), count), np.float32)
    views = np.zeros(len(points), np.float32)
    for index, view in enumerate(saved.keyframes):
        shown, u, v = shown_points(view, points)
        probabilities = saved.probabilities(index)
        assert probabilities is not None
        total[shown] += probabilities[:, v, u].T
        views[shown] += 1
        progress(index + 1, len(saved.keyframes))
    unseen = views == 0
    rest = (1 - cloud.confidence[unseen]) / max(count - 1, 1)
    total[unseen] = rest[:, None]
    total[unseen, cloud.labels[unseen]] = cloud.confidence[unseen]
    return total / np.maximum(views, 1)[:, None]


def shown_points(view: KeyframeView,
                 points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which of the points (N, 3) a keyframe shows: their indices (K,), and their pixels, columns
    and rows (K,)."""
    index, u, v, z = view.pixels_of(points)
    near = np.abs(view.depth[v, u] - z) < _DEPTH_TOLERANCE * z
    return index[near], u[near], v[near]
