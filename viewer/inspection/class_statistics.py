"""How much of a map each class is."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from scenecode.slam.records.snapshot import PointCloud

#: Points at which the density of the surface is measured, and of the cloud that they are in.
SAMPLES, CLOUD_SAMPLES = 4000, 200_000
#: Radius in metres of the disc in which neighbours are counted.
RADIUS = 0.12


@dataclass(frozen=True)
class ClassStatistics:
    """Of one class."""

    points: int
    #: of all points
    share: float
    #: of its surface, estimated from the density of points, m2
    area: float


def class_statistics(cloud: PointCloud, classes: int) -> list[ClassStatistics]:
    """Of each class id below ``classes``.

    The area is the number of points over their density on the surface, which is estimated from the
    number of neighbours in a disc: the median of the class, for which the borders of a surface,
    where half of a disc is empty, count little.
    """
    total = len(cloud)
    counts = np.bincount(cloud.labels, minlength=256)[:classes]
    areas = np.zeros(classes)
    if total:
        sample = np.random.default_rng(0).permutation(total)[:CLOUD_SAMPLES]
        chosen = sample[:SAMPLES]
        neighbours = cKDTree(cloud.points[sample]).query_ball_point(
            cloud.points[chosen], RADIUS, return_length=True)
        density = np.asarray(neighbours) * (total / len(sample)) / (np.pi * RADIUS ** 2)
        for label in np.unique(cloud.labels[chosen]):
            if label < classes:
                areas[label] = counts[label] / np.median(density[cloud.labels[chosen] == label])
    return [ClassStatistics(points=int(count), share=float(count / max(total, 1)),
                            area=float(area)) for count, area in zip(counts, areas)]


def point_spacing(points: np.ndarray) -> float:
    """Median distance in metres of a point (N, 3) to its nearest neighbour; 0.03 where there are
    too few."""
    if len(points) < 10:
        return 0.03
    chosen = np.random.default_rng(0).permutation(len(points))[:SAMPLES // 4]
    distances, _ = cKDTree(points).query(points[chosen], k=2)
    return float(np.clip(np.median(np.asarray(distances)[:, 1]), 0.002, 0.5))
