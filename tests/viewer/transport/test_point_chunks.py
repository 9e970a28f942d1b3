"""Points on their way to a page."""

import numpy as np
import pytest

from scenecode.slam.records.snapshot import FusedCloud, PointCloud
from scenecode.viewer.inspection.point_attributes import NO_KEYFRAME, PointAttributes
from scenecode.viewer.transport.point_chunks import (
    FIRST_POINTS,
    LARGEST_PIECE,
    MAX_POINTS,
    PieceStore,
    sending_plan,
)
from scenecode.viewer.transport.wire import parsed


def cloud(count, seed=0):
    rng = np.random.default_rng(seed)
    return PointCloud(points=rng.uniform(-4, 4, (count, 3)).astype(np.float32),
                      colours=rng.integers(0, 255, (count, 3)).astype(np.uint8),
                      labels=rng.integers(0, 13, count).astype(np.uint8),
                      confidence=rng.uniform(0, 1, count).astype(np.float32))


def decoded(message):
    header, arrays = parsed(message)
    rows = arrays["records"].reshape(-1, 12)
    steps = rows[:, :6].copy().view("<u2")
    return header, np.array(header["low"]) + steps * np.array(header["step"]), rows


def test_a_piece_comes_back_as_it_was_within_a_sixteen_bit_step():
    (piece,) = PieceStore().update(FusedCloud.of(cloud(500))).values()
    header, points, rows = decoded(piece.message(0, 500))
    assert header["total"] == 500 and np.abs(points - piece.points).max() < 8 / 65535
    assert np.array_equal(rows[:, 6], piece.chunk.labels[piece.order])
    assert np.array_equal(rows[:, 8:11], piece.chunk.colours[piece.order])
    assert np.abs(rows[:, 7] / 255 - piece.chunk.confidence[piece.order]).max() < 0.003


def test_a_point_costs_thirteen_bytes():
    pieces = PieceStore().update(FusedCloud.of(cloud(100_000))).values()
    sent = sum(len(piece.message(0, len(piece))) for piece in pieces)
    assert sent < 13 * 100_000


def test_a_large_chunk_is_split_and_nothing_is_lost():
    whole = cloud(LARGEST_PIECE + 5)
    pieces = PieceStore().update(FusedCloud({7: whole})).values()
    assert len(pieces) > 100
    assert sorted(np.concatenate([p.order for p in pieces])) == [*range(len(whole))]


def test_pieces_of_an_unchanged_chunk_are_the_same_objects():
    store, a, b = PieceStore(), cloud(50), cloud(60, 1)
    before = store.update(FusedCloud({1: a, 2: b}))
    after = store.update(FusedCloud({1: a, 3: cloud(20, 2)}))
    assert after["1"] is before["1"] and set(after) == {"1", "3"}


def test_the_beginning_of_a_piece_is_an_even_sample_of_it():
    points = np.zeros((30_000, 3), np.float32)
    points[:, 0] = np.linspace(0, 1, len(points))
    line = PointCloud(points=points, colours=np.zeros(points.shape, np.uint8),
                      labels=np.zeros(len(points), np.uint8),
                      confidence=np.zeros(len(points), np.float32))
    (piece,) = PieceStore().update(FusedCloud.of(line)).values()
    assert np.histogram(piece.points[:1000, 0], 10, (0, 1))[0].min() > 60


def test_the_whole_map_is_seen_before_its_details():
    sizes = {str(n): 10_000 for n in range(1000)}
    first, last = sending_plan(sizes)
    assert all(0 < first[key] <= last[key] <= sizes[key] for key in sizes)
    assert sum(first.values()) == pytest.approx(FIRST_POINTS, rel=0.01)
    assert sum(last.values()) == pytest.approx(MAX_POINTS, rel=0.01)
    assert sending_plan({"a": 10}) == ({"a": 10}, {"a": 10})


def test_attributes_say_what_is_not_known():
    (piece,) = PieceStore().update(FusedCloud.of(cloud(3))).values()
    attributes = PointAttributes(
        depth_std=np.array([0.002, np.nan, 2.0], np.float32),
        entropy=np.array([0.0, np.nan, 1.0], np.float32),
        error=np.array([np.nan, 0.002, 2.0], np.float32),
        keyframe=np.array([0, NO_KEYFRAME, 7], np.int32))
    rows = parsed(piece.attribute_message(attributes, 3))[1]["records"].reshape(-1, 8)
    assert rows[:, 4].tolist() == [0, 1, 255]
    assert rows[:, 0].tolist() == [1, 0, 255] and rows[:, 1].tolist() == [1, 0, 255]
    assert rows[:, 2:4].copy().view("<u2").ravel().tolist() == [0, 65535, 7]
