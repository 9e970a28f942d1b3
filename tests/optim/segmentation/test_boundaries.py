"""Arcs and rings of partitions, and back to pixels."""

import numpy as np
import pytest
from skimage.measure import label as connected_components

from scenecode.optim.segmentation.boundaries import OUTSIDE, trace_boundaries


def random_partition(seed, height=23, width=31, classes=3):
    """Many small 4-connected regions, with holes, islands and regions that touch in corners."""
    labels = np.random.default_rng(seed).integers(0, classes, (height, width))
    return connected_components(labels, connectivity=1, background=-1) - 1


@pytest.mark.parametrize("seed", range(4))
def test_polygons_of_any_partition_are_its_regions_exactly(seed):
    index = random_partition(seed)
    traced = trace_boundaries(index)
    assert (traced.rasterised() == index).all()
    assert (traced.region_areas() == np.bincount(index.ravel())).all()
    assert traced.region_areas().sum() == index.size
    # each arc separates two regions, or one from the outside, and is in a ring of either
    assert (traced.left != traced.right).all()
    used = np.bincount(traced.ring_arcs // 2, minlength=traced.num_arcs)
    at_border = (traced.left == OUTSIDE) | (traced.right == OUTSIDE)
    assert (used == np.where(at_border, 1, 2)).all()


def test_neighbours_share_their_arc():
    index = np.zeros((6, 8), int)
    index[:, 4:] = 1
    traced = trace_boundaries(index)
    [between] = np.flatnonzero((traced.left != OUTSIDE) & (traced.right != OUTSIDE))
    assert {traced.left[between], traced.right[between]} == {0, 1}
    assert (traced.arc(between)[:, 0] == 4).all() and len(traced.arc(between)) == 7
    directed = traced.ring_arcs[traced.ring_arcs // 2 == between]
    assert sorted(directed % 2) == [0, 1]       # one of the two goes back


def test_a_region_inside_another_is_its_hole():
    index = np.zeros((8, 9), int)
    index[2:6, 3:7] = 1
    index[3:5, 4:6] = 2
    rings = trace_boundaries(index).rings()
    assert [len(of) for of in rings] == [2, 2, 1]
    hole, island = rings[0][1], rings[1][0]
    assert set(map(tuple, hole)) == set(map(tuple, island)) and len(island) == 16
    areas = trace_boundaries(index).ring_areas()
    assert areas.tolist() == [72, -16, 16, -4, 4]


def test_pixels_that_touch_in_a_corner_are_not_joined():
    index = np.array([[0, 1, 1], [2, 3, 1], [2, 2, 4]])
    traced = trace_boundaries(index)
    assert [len(of) for of in traced.rings()] == [1] * 5
    assert traced.region_areas().tolist() == [1, 3, 3, 1, 1]


def test_one_region_has_the_border_of_the_image():
    traced = trace_boundaries(np.zeros((3, 4), int))
    assert traced.num_arcs == 4 and traced.ring_areas().tolist() == [12]
