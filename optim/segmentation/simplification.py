"""Boundaries with fewer vertices: Douglas and Peucker (1973) on every arc once, so that regions
that share an arc leave no gap, and no arc is left across another one.
"""

from dataclasses import replace

import numpy as np

from scenecode.optim.segmentation.boundaries import Boundaries
from scenecode.optim.segmentation.compiled import compiled

#: Times that the tolerance of an arc is halved before it is kept as it was traced.
_HALVINGS = 2


def simplified(traced: Boundaries, tolerance: float | np.ndarray) -> Boundaries:
    """The same arcs and rings, each arc with those of its vertices from which no dropped one is
    further away than ``tolerance`` pixels, of all arcs or (A,) of each.

    Ends of arcs stay; closed arcs keep three vertices.  Where simplified arcs would cross or touch
    each other, turn a ring inside out or leave a hole outside of its region, the tolerance of the
    arcs concerned is lowered until they do not.  With tolerance 0 only vertices on straight lines
    are dropped.
    """
    wanted = np.broadcast_to(np.asarray(tolerance, np.float64), (traced.num_arcs,))
    halvings = np.zeros(traced.num_arcs, np.int64)
    while True:
        present = np.where(halvings > _HALVINGS, 0.0, wanted / 2.0 ** halvings)
        result = _with_tolerance(traced, present)
        wrong = _crossing_arcs(result) | _arcs_of_wrong_rings(result, traced)
        wrong &= present > 0
        if not wrong.any():
            return result
        halvings[wrong] += 1


def _with_tolerance(traced: Boundaries, tolerance: np.ndarray) -> Boundaries:
    keep = _kept(traced.vertices.astype(np.float64), traced.arc_start, tolerance)
    counts = np.add.reduceat(keep, traced.arc_start[:-1], dtype=np.int64)
    return replace(traced, vertices=traced.vertices[keep],
                   arc_start=np.concatenate([[0], np.cumsum(counts)]))


def _crossing_arcs(bounds: Boundaries) -> np.ndarray:
    """(A,) bool: arcs that cross or touch another arc, or themselves, elsewhere than at common
    ends of segments."""
    arc = np.repeat(np.arange(bounds.num_arcs), np.diff(bounds.arc_start))
    start = np.flatnonzero(arc[:-1] == arc[1:])
    low = np.minimum(bounds.vertices[start, 0], bounds.vertices[start + 1, 0])
    start = start[np.argsort(low, kind="stable")]
    return _crossings(bounds.vertices.astype(np.int64), start, arc[start], bounds.num_arcs)


def _arcs_of_wrong_rings(bounds: Boundaries, traced: Boundaries) -> np.ndarray:
    """(A,) bool: arcs of rings that turn the other way than as they were traced, and of regions
    with a hole outside of them."""
    areas = bounds.ring_areas()
    is_wrong = areas * traced.ring_areas() <= 0
    outer = np.flatnonzero(areas > 0)
    outer_of = np.full(bounds.num_regions, -1)
    outer_of[bounds.ring_region[outer]] = outer
    for hole in np.flatnonzero((areas < 0) & ~is_wrong).tolist():
        around = outer_of[bounds.ring_region[hole]]
        if around >= 0 and not _contains(bounds.ring(around), bounds.ring(hole)):
            is_wrong[[around, hole]] = True
    wrong = np.zeros(bounds.num_arcs, bool)
    lengths = np.diff(bounds.ring_start)
    wrong[bounds.ring_arcs[np.repeat(is_wrong, lengths)] // 2] = True
    return wrong


def _contains(ring: np.ndarray, inner: np.ndarray) -> bool:
    """Whether a vertex of one ring that is not a vertex of the other lies inside of it; for rings
    that do not cross."""
    own = set(map(tuple, ring.tolist()))
    # a hole that has only vertices of the ring around it is bounded by nodes, which do not move
    x, y = next((vertex for vertex in inner.tolist() if tuple(vertex) not in own), (None, None))
    if x is None or y is None:
        return True
    (x0, y0), (x1, y1) = ring.T.astype(np.float64), np.roll(ring, -1, 0).T.astype(np.float64)
    spans = (y0 > y) != (y1 > y)
    at = x0[spans] + (y - y0[spans]) * (x1 - x0)[spans] / (y1 - y0)[spans]
    return bool(np.count_nonzero(at > x) % 2)


@compiled
def _kept(vertices, arc_start, tolerance):
    """(M,) bool: the vertices that Douglas and Peucker keep of each arc."""
    keep = np.zeros(len(vertices), np.bool_)
    stack = np.empty((2 * len(vertices) + 2, 2), np.int64)
    for arc in range(len(tolerance)):
        first, last = arc_start[arc], arc_start[arc + 1] - 1
        keep[first] = keep[last] = True
        limit = tolerance[arc] ** 2
        size = 0
        is_closed = vertices[first, 0] == vertices[last, 0] \
            and vertices[first, 1] == vertices[last, 1]
        if is_closed:
            # two halves, at the vertex furthest from the start
            middle, _ = _furthest(vertices, first, last)
            keep[middle] = True
            stack[0, 0], stack[0, 1] = first, middle
            stack[1, 0], stack[1, 1] = middle, last
            size = 2
        else:
            stack[0, 0], stack[0, 1] = first, last
            size = 1
        kept = 2
        while size:
            size -= 1
            start, end = stack[size, 0], stack[size, 1]
            furthest, distance = _furthest(vertices, start, end)
            if furthest >= 0 and distance > limit:
                keep[furthest] = True
                kept += 1
                stack[size, 0], stack[size, 1] = start, furthest
                stack[size + 1, 0], stack[size + 1, 1] = furthest, end
                size += 2
        if is_closed and kept == 2:
            one, one_distance = _furthest(vertices, first, middle)
            other, other_distance = _furthest(vertices, middle, last)
            keep[one if one_distance >= other_distance else other] = True
    return keep


@compiled
def _furthest(vertices, first, last):
    """The vertex between two others that is furthest from the segment between them, the first of
    several, and its squared distance; -1 where there is none."""
    x0, y0 = vertices[first, 0], vertices[first, 1]
    dx, dy = vertices[last, 0] - x0, vertices[last, 1] - y0
    length = dx * dx + dy * dy
    best, best_distance = -1, -1.0
    for n in range(first + 1, last):
        x, y = vertices[n, 0] - x0, vertices[n, 1] - y0
        along = 0.0
        if length > 0:
            along = min(max((x * dx + y * dy) / length, 0.0), 1.0)
        distance = (x - along * dx) ** 2 + (y - along * dy) ** 2
        if distance > best_distance:
            best, best_distance = n, distance
    return best, best_distance


@compiled
def _turn(vertices, a, b, c):
    """Twice the signed area of a triangle."""
    return (vertices[b, 0] - vertices[a, 0]) * (vertices[c, 1] - vertices[a, 1]) \
        - (vertices[b, 1] - vertices[a, 1]) * (vertices[c, 0] - vertices[a, 0])


@compiled
def _is_same(vertices, a, b):
    return vertices[a, 0] == vertices[b, 0] and vertices[a, 1] == vertices[b, 1]


@compiled
def _is_between(vertices, a, b, c):
    """Whether c, on the line through a and b, is on the segment between them."""
    return min(vertices[a, 0], vertices[b, 0]) <= vertices[c, 0] \
        <= max(vertices[a, 0], vertices[b, 0]) \
        and min(vertices[a, 1], vertices[b, 1]) <= vertices[c, 1] \
        <= max(vertices[a, 1], vertices[b, 1])


@compiled
def _meet(vertices, a, b, c, d):
    """Whether segments ab and cd have a point in common that is not an end of both."""
    for p, q, r, s in ((a, b, c, d), (a, b, d, c), (b, a, c, d), (b, a, d, c)):
        if _is_same(vertices, p, r):
            # from a common end into the same direction
            dot = (vertices[q, 0] - vertices[p, 0]) * (vertices[s, 0] - vertices[p, 0]) \
                + (vertices[q, 1] - vertices[p, 1]) * (vertices[s, 1] - vertices[p, 1])
            return _turn(vertices, p, q, s) == 0 and dot > 0
    one, two = _turn(vertices, a, b, c), _turn(vertices, a, b, d)
    three, four = _turn(vertices, c, d, a), _turn(vertices, c, d, b)
    if ((one > 0) != (two > 0)) and ((three > 0) != (four > 0)) \
            and one != 0 and two != 0 and three != 0 and four != 0:
        return True
    return (one == 0 and _is_between(vertices, a, b, c)) \
        or (two == 0 and _is_between(vertices, a, b, d)) \
        or (three == 0 and _is_between(vertices, c, d, a)) \
        or (four == 0 and _is_between(vertices, c, d, b))


@compiled
def _crossings(vertices, start, arc, num_arcs):
    """(A,) bool of segments from ``start`` to the vertex after it, sorted by their least x."""
    found = np.zeros(num_arcs, np.bool_)
    for i in range(len(start)):
        a, b = start[i], start[i] + 1
        high = max(vertices[a, 0], vertices[b, 0])
        top = min(vertices[a, 1], vertices[b, 1])
        bottom = max(vertices[a, 1], vertices[b, 1])
        for j in range(i + 1, len(start)):
            c, d = start[j], start[j] + 1
            if min(vertices[c, 0], vertices[d, 0]) > high:
                break
            if min(vertices[c, 1], vertices[d, 1]) > bottom \
                    or max(vertices[c, 1], vertices[d, 1]) < top:
                continue
            if _meet(vertices, a, b, c, d):
                found[arc[i]] = found[arc[j]] = True
    return found
