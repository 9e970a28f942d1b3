"""Picking with a ray, and what filters leave out."""

import numpy as np
import pytest

from scenecode.viewer.inspection.picking import Filter, Ray, pick

AHEAD = Ray(origin=np.zeros(3), direction=np.array([0.0, 0.0, 1.0]))
TOLERANCE = np.radians(1)


def test_the_nearest_point_in_the_cone_hides_those_behind():
    points = np.array([[0, 0, 4.0], [0.01, 0, 2.0], [0.5, 0, 1.0], [0, 0, -1.0]])
    assert pick(points, AHEAD, TOLERANCE) == 1


def test_of_points_at_one_depth_the_one_nearest_to_the_ray_is_picked():
    points = np.array([[0.02, 0, 2.0], [0.001, 0, 2.01], [0.015, 0, 2.0]])
    assert pick(points, AHEAD, TOLERANCE) == 1


def test_nothing_in_the_cone_is_no_hit():
    assert pick(np.array([[1.0, 0, 2.0]]), AHEAD, TOLERANCE) is None
    assert pick(np.zeros((0, 3)), AHEAD, TOLERANCE) is None


def test_what_is_not_shown_cannot_be_picked():
    points = np.array([[0, 0, 1.0], [0, 0, 3.0]])
    keep = Filter(hidden=frozenset({5})).shown(points, np.array([5, 2]), np.ones(2), np.eye(4))
    assert pick(points, AHEAD, TOLERANCE, keep) == 1


@pytest.mark.parametrize(("limits", "expected"), [
    ({"min_confidence": 0.5}, [False, True, True]),
    ({"hidden": frozenset({1})}, [True, False, True]),
    ({"high": np.array([9, 9, 1.0])}, [True, True, False]),
    ({"low": np.array([-9, -9, 0.5])}, [False, True, True])])
def test_filters_follow_confidence_class_and_box(limits, expected):
    T = np.eye(4)
    T[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]      # y of the world points down
    points = np.array([[0, 0, 0], [0, -1, 0], [0, -2, 0]], float)
    shown = Filter(**limits).shown(points, np.array([0, 1, 2]), np.array([0.1, 0.6, 0.9]), T)
    assert shown.tolist() == expected
