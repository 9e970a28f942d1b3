"""Polygons with fewer vertices leave no gaps, do not cross, and change few pixels."""

from itertools import combinations

import numpy as np
import pytest
from scipy import ndimage
from skimage.measure import label as connected_components

from scenecode.optim.segmentation.boundaries import trace_boundaries
from scenecode.optim.segmentation.simplification import simplified


def smooth_partition(seed, height=40, width=56):
    """Regions with curved borders and islands."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), 3)
    return connected_components(np.digitize(noise, [-0.08, 0, 0.08]), connectivity=1,
                                background=-1) - 1


def noisy_partition(seed):
    labels = np.random.default_rng(seed).integers(0, 3, (17, 23))
    return connected_components(labels, connectivity=1, background=-1) - 1


def segments(bounds):
    for number in range(bounds.num_arcs):
        arc = bounds.arc(number)
        yield from zip(arc[:-1].tolist(), arc[1:].tolist())


def cross(one, two):
    """Whether two segments meet elsewhere than at a common end, by exact arithmetic."""
    (a, b), (c, d) = one, two

    def turn(p, q, r):
        return np.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    def on(p, q, r):
        return turn(p, q, r) == 0 and min(p[0], q[0]) <= r[0] <= max(p[0], q[0]) \
            and min(p[1], q[1]) <= r[1] <= max(p[1], q[1])

    common = [p for p in one if p in two]
    touches = [p for p in (c, d) if on(a, b, p)] + [p for p in (a, b) if on(c, d, p)]
    if any(p not in common for p in touches) or len(common) > 1:
        return True
    return not common and turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0


@pytest.mark.parametrize("make", (smooth_partition, noisy_partition))
def test_tolerance_0_is_exact_with_vertices_at_turns_only(make):
    index = make(1)
    traced = trace_boundaries(index)
    exact = simplified(traced, 0.0)
    assert (exact.rasterised() == index).all()
    assert len(exact.vertices) < len(traced.vertices)


@pytest.mark.parametrize(("make", "seed"), ((smooth_partition, 2), (noisy_partition, 3)))
def test_regions_still_cover_the_image_and_nothing_crosses(make, seed):
    index = make(seed)
    found = simplified(trace_boundaries(index), 1.5)
    assert found.region_areas().sum() == index.size
    areas = found.ring_areas()
    first = np.append(True, found.ring_region[1:] != found.ring_region[:-1])
    assert (areas[first] > 0).all() and (areas[~first] < 0).all()
    assert not [pair for pair in combinations(segments(found), 2) if cross(*pair)]


def test_vertices_are_saved_and_labels_kept():
    index = smooth_partition(5)
    traced = trace_boundaries(index)
    exact, rough = simplified(traced, 0.0), simplified(traced, 1.0)
    assert len(rough.vertices) < 0.5 * len(exact.vertices)
    changed = rough.rasterised() != index
    assert changed.mean() < 0.06
    # only beside a border
    inside = ndimage.minimum_filter(index, 5) == ndimage.maximum_filter(index, 5)
    assert not (changed & inside).any()
    # each arc by its own tolerance
    mixed = simplified(traced, np.where(np.arange(traced.num_arcs) < 5, 0.0, 1.0))
    assert all((mixed.arc(n) == exact.arc(n)).all() for n in range(5))


def test_a_closed_arc_keeps_three_vertices():
    index = np.zeros((7, 7), int)
    index[3, 3] = 1
    found = simplified(trace_boundaries(index), 1.5)
    [island] = found.rings()[1]
    assert len(island) == 3
    hole = found.rings()[0][1]
    assert set(map(tuple, island)) == set(map(tuple, hole))
