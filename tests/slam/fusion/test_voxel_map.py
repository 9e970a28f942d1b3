"""Cells of space from which the points of a keyframe can be taken out again."""

import numpy as np
import pytest

from scenecode.slam.fusion.voxel_map import LabelledPoints, VoxelMap
from scenecode.slam.records.snapshot import FusedCloud

CLASSES = 4


def points_at(points, label=0, confidence=255, colour=(10, 20, 30)):
    points = np.asarray(points, float)
    n = len(points)
    return LabelledPoints(points=points, colours=np.tile(np.uint8(colour), (n, 1)),
                          labels=np.full(n, label, np.uint8),
                          confidence=np.full(n, confidence, np.uint8))


def a_surface(seed, n=3000):
    """Points of a wavy sheet somewhere, in random colours and labels."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1, 1, (2, n))
    points = np.stack([x, y, 0.2 * np.sin(4 * x + seed)], 1) + rng.uniform(-1, 1, 3)
    return LabelledPoints(points=points, colours=rng.integers(0, 256, (n, 3), dtype=np.uint8),
                          labels=rng.integers(0, CLASSES, n, dtype=np.uint8),
                          confidence=rng.integers(1, 256, n, dtype=np.uint8))


def moved(points, shift):
    return LabelledPoints(points=points.points + shift, colours=points.colours,
                          labels=points.labels, confidence=points.confidence)


def filled(*parts, size=0.05):
    voxels = VoxelMap(size, CLASSES)
    voxels.change([], [voxels.contribution(part) for part in parts])
    return voxels


def assert_same(a: FusedCloud, b: FusedCloud):
    assert a.chunks.keys() == b.chunks.keys()
    for key, chunk in a.chunks.items():
        for name in ("points", "colours", "labels", "confidence"):
            assert np.array_equal(getattr(chunk, name), getattr(b.chunks[key], name))


def test_a_cell_keeps_the_mean_of_its_points():
    voxels = VoxelMap(0.5, CLASSES)
    parts = [points_at([[0.1, 0.1, 0.1]], label=0, confidence=230, colour=(0, 0, 0)),
             points_at([[0.3, 0.1, 0.1]], label=1, confidence=100, colour=(255, 0, 0)),
             points_at([[0.9, 0.9, 0.9]], label=1, confidence=255),
             points_at([[-0.1, 0.1, 0.1]], label=2)]
    voxels.change([], [voxels.contribution(part) for part in parts])
    cloud = voxels.cloud
    assert len(cloud) == 3
    row = {tuple(np.floor(p / 0.5).astype(int)): i for i, p in enumerate(cloud.points)}
    first = row[0, 0, 0]
    assert cloud.points[first] == pytest.approx([0.2, 0.1, 0.1], abs=0.5 / 1024)
    assert cloud.colours[first].tolist() == [128, 0, 0]
    assert cloud.labels[first] == 0 and cloud.confidence[first] == pytest.approx(230 / 510)
    assert cloud.labels[row[1, 1, 1]] == 1 and cloud.confidence[row[1, 1, 1]] == 1
    assert cloud.labels[row[-1, 0, 0]] == 2


def test_after_many_random_moves_the_map_is_that_of_the_last_positions():
    rng = np.random.default_rng(0)
    parts = {n: a_surface(n) for n in range(6)}
    voxels = filled(*parts.values())
    for _ in range(200):
        n = int(rng.integers(6))
        new = moved(parts[n], rng.normal(0, 0.3, 3))
        voxels.change([voxels.contribution(parts[n])], [voxels.contribution(new)])
        parts[n] = new
    assert_same(voxels.cloud, filled(*parts.values()).cloud)


def test_what_is_added_and_taken_out_leaves_nothing():
    parts = [a_surface(n) for n in range(3)]
    voxels = filled(*parts)
    for part in parts:
        voxels.change([voxels.contribution(part)], [])
    assert len(voxels.cloud) == 0 and not voxels.cloud.chunks


def test_chunks_that_nothing_changes_in_stay_the_same_objects():
    near, far = a_surface(0), moved(a_surface(1), [20, 0, 0])
    voxels = filled(near, far)
    before = voxels.cloud
    voxels.change([voxels.contribution(far)], [voxels.contribution(moved(far, [0.1, 0, 0]))])
    after = voxels.cloud
    same = [key for key in before.chunks if after.chunks.get(key) is before.chunks[key]]
    of_near = filled(near).cloud.chunks.keys()
    assert set(same) == set(of_near) and len(before.chunks) > len(same) > 0
    voxels.change([voxels.contribution(near)], [voxels.contribution(near)])
    assert voxels.cloud is after
    # earlier snapshots stay as they were
    assert_same(before, filled(near, far).cloud)


def test_points_kilometres_away_and_no_numbers_are_left_out():
    voxels = filled(points_at([[1e9, 0, 0], [np.nan, 0, 0], [np.inf, 1, 1], [0.01, 0.01, 0.01]]))
    assert len(voxels.cloud) == 1


def test_cells_are_told_apart_to_the_limits_of_the_map():
    corners = 0.05 * 32 * 32767 * np.array([[1, 1, 1], [-1, 1, -1], [-1, -1, -1], [1, -1, 0]])
    cloud = filled(points_at(corners)).cloud
    assert len(cloud) == 4
    expected = corners[np.lexsort(corners.T)]
    found = cloud.points[np.lexsort(cloud.points.T.round())]
    assert np.abs(found - expected).max() < 0.05
