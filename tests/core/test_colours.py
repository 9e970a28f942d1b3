"""Colours that mean something."""

import numpy as np

from scenecode.core.colours import FARTHEST, NEAREST, amount_colours, depth_colours, signed_colours


def test_near_is_red_far_is_blue_and_unknown_is_black():
    depth = np.array([[NEAREST, FARTHEST, 0.0, np.nan, np.inf, -1.0]], np.float32)
    near, far, *unknown = depth_colours(depth)[0].astype(int)
    assert near[0] > near[2] and far[2] > far[0]
    assert not np.any(unknown)


def test_a_distance_has_one_colour_whatever_else_is_in_the_picture():
    alone = depth_colours(np.full((1, 1), 2.0, np.float32))[0, 0]
    together = depth_colours(np.array([[0.6, 2.0, 7.0]], np.float32))[0, 1]
    assert np.array_equal(alone, together)


def test_more_is_brighter():
    brightness = amount_colours(np.array([[0.0, 0.5, 1.0, 7.0]]))[0].astype(int).sum(1)
    assert brightness[0] < brightness[1] < brightness[2] == brightness[3]


def test_positive_is_red_negative_is_blue_and_nothing_is_white():
    colours = signed_colours(np.array([[1.0, -1.0, 0.0, 0.5, -9.0]]))[0].tolist()
    assert colours == [[255, 0, 0], [0, 0, 255], [255, 255, 255], [255, 128, 128], [0, 0, 255]]
