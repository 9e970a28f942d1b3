"""What is asked of a map of a room whose truth is known."""

import numpy as np
import pytest
import torch
from support.box_room import FURNITURE, ROOM, room_snapshot

from scenecode.core.errors import ScenecodeError
from scenecode.networks.classes import NYU13
from scenecode.slam.records.frame import Frame, GroundTruth
from scenecode.slam.records.snapshot import PointCloud
from scenecode.viewer.inspection.class_statistics import class_statistics, point_spacing
from scenecode.viewer.inspection.ground import extent, ground_of
from scenecode.viewer.inspection.keyframe_maps import (
    KeyframeMaps,
    entropy_of,
    largest_entropy,
)
from scenecode.viewer.inspection.measures import measure
from scenecode.viewer.inspection.objects import connected_objects, matching_classes, upright_box
from scenecode.viewer.inspection.observations import mean_probabilities, observations
from scenecode.viewer.inspection.point_attributes import NO_KEYFRAME, AttributeIndex
from scenecode.viewer.inspection.true_depth import TrueDepth

TABLE, FLOOR = NYU13.names.index("table"), NYU13.names.index("floor")


@pytest.fixture(scope="module")
def room():
    return room_snapshot(keyframes=8, width=128, step=1)


@pytest.fixture(scope="module")
def ground(room):
    return ground_of(room)


def flat(size_x, size_y, z=0.0, step=0.03, label=0, left=0.0):
    x, y = np.meshgrid(np.arange(0, size_x, step) + left, np.arange(0, size_y, step))
    points = np.stack([x.ravel(), y.ravel(), np.full(x.size, z)], 1).astype(np.float32)
    return PointCloud(points=points, colours=np.zeros((len(points), 3), np.uint8),
                      labels=np.full(len(points), label, np.uint8),
                      confidence=np.ones(len(points), np.float32))


def joined(*clouds):
    return PointCloud(**{name: np.concatenate([getattr(c, name) for c in clouds])
                         for name in ("points", "colours", "labels", "confidence")})


def test_heights_are_over_the_floor_of_the_room(room, ground):
    height = room.cloud.points @ ground[2, :3] + ground[2, 3]
    assert np.abs(height[room.cloud.labels == FLOOR]).max() < 0.02
    low, high = extent(room, ground)
    assert low[2] == pytest.approx(0, abs=0.1)
    assert high[2] == pytest.approx(np.percentile(height, 99), abs=0.1)
    assert (high - low)[:2].max() <= max(np.subtract(*ROOM[::-1])) + 0.15


def test_areas_and_shares_of_classes():
    cloud = joined(flat(2, 3, label=4), flat(1, 1, z=2.0, label=9))
    numbers = class_statistics(cloud, 13)
    assert numbers[4].area == pytest.approx(6, rel=0.12)
    assert numbers[9].area == pytest.approx(1, rel=0.2)
    assert sum(one.share for one in numbers) == pytest.approx(1)
    assert numbers[4].points + numbers[9].points == len(cloud)
    assert point_spacing(cloud.points) == pytest.approx(0.03, rel=0.01)


def test_an_empty_map_has_no_classes():
    assert all(one.points == 0 and one.area == 0
               for one in class_statistics(PointCloud.empty(), 13))


def test_keyframes_that_see_a_point_vote_for_its_class(room):
    index = int(np.flatnonzero(room.cloud.labels == TABLE)[100])
    maps = KeyframeMaps(13)
    seen = observations(room.cloud.points[index], room.keyframes, maps, 13)
    assert seen and all(one.label == TABLE for one in seen)
    mean = mean_probabilities(seen, 13)
    assert mean.argmax() == TABLE and mean.sum() == pytest.approx(1)
    view = next(v for v in room.keyframes if v.frame_index == seen[0].frame_index)
    assert view.labels[seen[0].v, seen[0].u] == TABLE
    assert seen[0].depth_std == pytest.approx(view.depth_std[seen[0].v, seen[0].u])


def test_a_point_behind_a_wall_is_seen_by_none(room):
    assert observations(np.array([0, 0, 3.5]), room.keyframes, KeyframeMaps(13), 13) == []


def test_known_probabilities_are_what_is_shown(room):
    view = room.keyframes[0]
    known = np.full((13, *view.depth.shape), 0.5 / 12, np.float32)
    known[TABLE] = 0.5
    maps = KeyframeMaps(13, lambda index: known if index == view.frame_index else None)
    point = room.cloud.points[0]
    first = next(one for one in observations(point, [view], maps, 13, exact=1))
    assert first.probabilities[TABLE] == pytest.approx(0.5)
    assert maps.of(view).entropy[0, 0] == pytest.approx(entropy_of(known)[0, 0])


def test_entropy_is_largest_where_all_classes_are_equal():
    even, sure = np.full((4, 1, 1), 0.25), np.array([1.0, 0, 0, 0]).reshape(4, 1, 1)
    assert entropy_of(even)[0, 0] == pytest.approx(1) and entropy_of(sure)[0, 0] < 1e-6
    bound = largest_entropy(np.array([0.25, 0.7, 1.0]), 4)
    assert bound[0] == pytest.approx(1) and bound[0] > bound[1] > bound[2]
    assert bound[1] >= entropy_of(np.array([0.7, 0.2, 0.1, 0]).reshape(4, 1, 1))[0, 0]


def test_points_get_the_attributes_of_the_keyframe_that_knows_them_best(room):
    index = AttributeIndex(KeyframeMaps(13))
    index.update(room.keyframes)
    attributes = index.of(room.cloud.points)
    known = attributes.keyframe != NO_KEYFRAME
    assert known.mean() > 0.95
    # the box room's uncertainty is 2 % of the depth
    centres = np.stack([v.T_world_cam[:3, 3] for v in room.keyframes])[attributes.keyframe]
    distance = np.linalg.norm(room.cloud.points - centres, axis=1)
    assert (attributes.depth_std[known] <= 0.02 * distance[known] + 0.003).mean() > 0.95
    far = index.of(np.array([[50.0, 0, 0]]))
    assert far.keyframe[0] == NO_KEYFRAME and np.isnan(far.depth_std[0])


def test_objects_of_a_class_are_told_apart_and_have_their_size(room, ground):
    low, high, _ = next(piece for piece in FURNITURE if piece[2] == "table")
    seen = room.cloud.points[room.cloud.labels == TABLE]
    found = connected_objects(room.cloud, TABLE, ground)
    largest = found.objects[0]
    assert largest.size[2] == pytest.approx(np.ptp(seen[:, 1]), abs=0.1)
    assert largest.size[0] <= high[0] - low[0] + 0.05
    assert (found.member == largest.number).sum() == largest.points
    assert (room.cloud.labels[found.member > 0] == TABLE).all()


def test_two_objects_of_one_class_are_two():
    cloud = joined(flat(0.6, 0.4, label=3), flat(0.5, 0.3, label=3, left=2.0))
    found = connected_objects(cloud, 3, np.eye(4))
    assert [round(one.size[0], 1) for one in found.objects] == [0.6, 0.5]
    assert connected_objects(cloud, 5, np.eye(4)).objects == ()


@pytest.mark.parametrize("turn", [0.0, 0.3, 1.0, 2.5])
def test_boxes_follow_how_an_object_is_turned(turn):
    x, y = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-0.3, 0.3, 20))
    R = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = np.column_stack([np.column_stack([x.ravel(), y.ravel()]) @ R.T,
                              np.linspace(0, 0.5, x.size)])
    centre, size, yaw = upright_box(points)
    assert size == pytest.approx([2, 0.6, 0.5], abs=0.06)
    assert np.sin(yaw - turn) == pytest.approx(0, abs=0.03)
    assert centre == pytest.approx([0, 0, 0.25], abs=0.02)


@pytest.mark.parametrize(("text", "names"), [
    ("chairs", ["chair"]), ("TV", ["tv"]), ("book", ["books"]), ("tabel", ["table"]),
    ("shelves", []), ("chair, sofa", ["chair", "sofa"]), ("win", ["window"])])
def test_search_finds_classes_by_plural_beginning_and_with_a_slip(text, names):
    assert [NYU13.names[n] for n in matching_classes(text, NYU13)] == names


def test_measures():
    corners = [[0, 0, 1], [2, 0, 1], [2, 3, 1], [0, 3, 1]]
    assert measure("distance", corners[:2]) == (pytest.approx(2), "m")
    assert measure("area", corners) == (pytest.approx(6), "m2")
    assert measure("height", [[5, 5, 1.2]]) == (pytest.approx(1.2), "m")
    assert measure("height", [[0, 0, 0.4], [1, 1, 1.0]]) == (pytest.approx(0.6), "m")
    tilted = [[0, 0, 0], [1, 0, 1], [1, 1, 1], [0, 1, 0]]
    assert measure("area", tilted)[0] == pytest.approx(np.sqrt(2))
    for wrong in (("area", corners[:2]), ("angle", corners), ("distance", [[0, 0, np.nan]] * 2)):
        with pytest.raises(ScenecodeError):
            measure(*wrong)


class Walk:
    """A source with a true depth of 2 m, and none of frames after the first ten."""

    name, fps, length, is_live, unreadable, original = "walk", 30.0, 100, False, 0, None

    def __init__(self, view):
        self._view = view

    def __iter__(self):
        return iter(())

    def close(self):
        pass

    def frame(self, index):
        depth = torch.full(self._view.depth.shape, 2.0)
        depth[0, 0] = 0
        truth = GroundTruth(depth=depth) if index < 10 else None
        return Frame(index=index, timestamp=0.0, camera=self._view.camera,
                     image=torch.zeros(3, *depth.shape), truth=truth)


def test_errors_are_against_the_truth_at_the_maps_scale(room):
    view, later = room.keyframes[:2]
    error = TrueDepth(Walk(view), lambda: 2.0).error(view)
    assert np.isnan(error[0, 0])
    assert np.allclose(error[1:], np.abs(2 * view.depth - 2)[1:])
    assert TrueDepth(Walk(view), lambda: 2.0).error(later) is None
    assert TrueDepth(Walk(view), lambda: None).error(view) is None
    index = AttributeIndex(KeyframeMaps(13, error=TrueDepth(Walk(view), lambda: 1.0).error))
    index.update([view])
    known = np.isfinite(index.of(room.cloud.points).error)
    assert 0.05 < known.mean() < 1
