"""Colours that mean something."""

import numpy as np
import pytest

from networks.classes import NYU13
from slam.snapshot import PointCloud
from viewer.colours import FARTHEST, NEAREST, cloud_colours, depth_colours


def test_near_is_red_far_is_blue_and_unknown_is_black():
    depth = np.array([[NEAREST, FARTHEST, 0.0, np.nan, np.inf, -1.0]], np.float32)
    near, far, *unknown = depth_colours(depth)[0].astype(int)
    assert near[0] > near[2] and far[2] > far[0]
    assert not np.any(unknown)


def test_a_distance_has_one_colour_whatever_else_is_in_the_picture():
    alone = depth_colours(np.full((1, 1), 2.0, np.float32))[0, 0]
    together = depth_colours(np.array([[0.6, 2.0, 7.0]], np.float32))[0, 1]
    assert np.array_equal(alone, together)


@pytest.fixture
def cloud() -> PointCloud:
    return PointCloud(np.zeros((3, 3), np.float32), np.full((3, 3), 77, np.uint8),
                      np.array([0, 4, 11], np.uint8), np.array([0.0, 0.5, 1.0], np.float32))


def test_the_map_takes_the_images_or_the_classes_colours(cloud):
    assert np.array_equal(cloud_colours(cloud, NYU13, "image"), cloud.colours)
    expected = [NYU13.colours[i] for i in (0, 4, 11)]
    assert np.array_equal(cloud_colours(cloud, NYU13, "class"), expected)


def test_confidence_gets_brighter(cloud):
    brightness = cloud_colours(cloud, NYU13, "confidence").astype(int).sum(1)
    assert brightness[0] < brightness[1] < brightness[2]
