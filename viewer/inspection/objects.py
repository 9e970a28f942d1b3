"""Connected objects of a class, and the search for them by name."""

import difflib
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from scenecode.networks.classes import ClassSet
from scenecode.slam.records.snapshot import PointCloud
from scenecode.viewer.inspection.ground import transformed

#: Points in cells of this edge, or in neighbouring ones, belong together; metres.
CELL = 0.08
#: Smaller objects are noise of the labels.
MIN_POINTS = 40
#: Percent of an object's points, at either end of each axis, that its box may leave out.
OUTLIERS = 0.5


@dataclass(frozen=True)
class MapObject:
    """Connected points of one class."""

    label: int
    #: from 1, the largest first
    number: int
    points: int
    #: (3,) of the box, in the ground frame, metres
    centre: np.ndarray
    #: (3,) length, width and height of the box, metres
    size: np.ndarray
    #: of the box's length about the vertical, radians
    yaw: float


@dataclass(frozen=True)
class Found:
    """The objects of one class; ``member`` (N,) int32 is the number of the object that a point
    belongs to, 0 for none."""

    objects: tuple[MapObject, ...]
    member: np.ndarray


def connected_objects(cloud: PointCloud, label: int, T_ground_world: np.ndarray,
                      min_confidence: float = 0.0) -> Found:
    """The connected objects of a class with their boxes, which stand upright."""
    chosen = np.flatnonzero((cloud.labels == label) & (cloud.confidence >= min_confidence))
    member = np.zeros(len(cloud), np.int32)
    if not len(chosen):
        return Found(objects=(), member=member)
    points = transformed(cloud.points[chosen], T_ground_world)
    cells, inverse = np.unique(np.floor(points / CELL).astype(np.int64), axis=0,
                               return_inverse=True)
    # 1.8 is above the distance of diagonal neighbours, and below that of the next ones
    pairs = cKDTree(cells).query_pairs(1.8, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])),
                       shape=(len(cells), len(cells)))
    _, component = connected_components(graph, directed=False)
    component = component[inverse.ravel()]
    counts = np.bincount(component)
    objects: list[MapObject] = []
    for found in np.argsort(-counts, kind="stable"):
        if counts[found] < MIN_POINTS:
            break
        inside = component == found
        number = len(objects) + 1
        member[chosen[inside]] = number
        centre, size, yaw = upright_box(points[inside])
        objects.append(MapObject(label=label, number=number, points=int(counts[found]),
                                 centre=centre, size=size, yaw=yaw))
    return Found(objects=tuple(objects), member=member)


def upright_box(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Centre (3,), size (3,) and yaw in radians of the upright box of least area around points
    (N, 3) whose z is up."""
    low, high = np.percentile(points[:, 2], [OUTLIERS, 100 - OUTLIERS])
    limits = np.percentile(points[:, :2], [OUTLIERS, 100 - OUTLIERS], axis=0)
    inside = ((points[:, :2] >= limits[0]) & (points[:, :2] <= limits[1])).all(1)
    flat = points[inside, :2] if inside.sum() > 3 else points[:, :2]
    (x, y), (length, width), degrees = cv2.minAreaRect(flat.astype(np.float32))
    if width > length:
        length, width, degrees = width, length, degrees + 90
    return (np.array([x, y, (low + high) / 2]), np.array([length, width, high - low]),
            float(np.radians((degrees + 90) % 180 - 90)))


def matching_classes(text: str, classes: ClassSet) -> list[int]:
    """Ids of the classes that a search text means: "chairs", "Chair", "chiar"; the best first."""
    words = [_singular(word) for word in text.casefold().replace(",", " ").split()]
    names = [name.casefold() for name in classes.names]
    singular = [_singular(name) for name in names]
    found: list[int] = []
    for word in words:
        same = [n for n, name in enumerate(singular) if name == word]
        begins = [n for n, name in enumerate(names) if len(word) > 1 and name.startswith(word)]
        close = [singular.index(name) for name in difflib.get_close_matches(word, singular, 1)]
        found += [n for n in same or begins or close if n not in found]
    return found


def _singular(word: str) -> str:
    for ending, replacement in (("ves", "f"), ("sses", "ss"), ("ies", "y"), ("xes", "x"),
                                ("s", "")):
        if len(word) > 3 and word.endswith(ending) and not word.endswith("ss"):
            return word.removesuffix(ending) + replacement
    return word
