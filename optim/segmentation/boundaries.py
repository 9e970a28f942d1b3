"""Boundaries of the regions of an image, traced on the lattice of pixel corners.

A boundary runs along crack edges, between pixels of different regions and around the image.  It is
split into arcs at junctions, where three or more edges meet, and at the corners of the image; an
arc has one region on either side and is stored once, whichever of them is drawn.
"""

from dataclasses import dataclass

import numpy as np

from scenecode.optim.segmentation.compiled import compiled

#: The region outside the image.
OUTSIDE = -1


@dataclass(frozen=True)
class Boundaries:
    """A regions of an image as A arcs, and the R rings of arcs around them.

    A directed arc is ``2 * arc``, or ``2 * arc + 1`` from its end to its start.  Rings have their
    region on the right-hand side: on the screen the outer ring runs clockwise, rings of holes run
    counter-clockwise.  Regions are 4-connected: where two pixels touch in a corner only, a ring
    stays with its own.
    """

    width: int
    height: int
    #: (M, 2) int32 x and y of the vertices of all arcs, one arc after the other; both ends of an
    #: arc are among them, and are the same where it is closed
    vertices: np.ndarray
    #: (A + 1,) int64 where in ``vertices`` each arc starts
    arc_start: np.ndarray
    #: (A,) int32 regions beside each arc, seen in its direction; ``OUTSIDE`` beyond the image
    left: np.ndarray
    right: np.ndarray
    #: (R + 1,) int64 where in ``ring_arcs`` each ring starts
    ring_start: np.ndarray
    #: directed arcs
    ring_arcs: np.ndarray
    #: (R,) int32 the region of each ring; ascending, the outer ring of a region first
    ring_region: np.ndarray

    @property
    def num_arcs(self) -> int:
        return len(self.left)

    @property
    def num_regions(self) -> int:
        return int(self.ring_region[-1]) + 1

    def arc(self, number: int) -> np.ndarray:
        """(n, 2) vertices of an arc from its start to its end."""
        return self.vertices[self.arc_start[number]:self.arc_start[number + 1]]

    def ring(self, number: int) -> np.ndarray:
        """(n, 2) int32 vertices of a ring; the first one is not repeated."""
        parts = [self.arc(a // 2)[::-1] if a % 2 else self.arc(a // 2) for a in
                 self.ring_arcs[self.ring_start[number]:self.ring_start[number + 1]]]
        return np.concatenate([part[:-1] for part in parts])

    def rings(self) -> list[list[np.ndarray]]:
        """By region: its rings, the outer one first."""
        found: list[list[np.ndarray]] = [[] for _ in range(self.num_regions)]
        for number, region in enumerate(self.ring_region.tolist()):
            found[region].append(self.ring(number))
        return found

    def ring_areas(self) -> np.ndarray:
        """(R,) float64 signed areas in pixels: positive of outer rings, negative of holes."""
        x, y = self.vertices.astype(np.float64).T
        cross = np.append(x[:-1] * y[1:] - x[1:] * y[:-1], 0.0)
        # not from the last vertex of an arc to the first of the next
        cross[self.arc_start[1:] - 1] = 0
        of_arc = np.add.reduceat(cross, self.arc_start[:-1]) / 2
        signed = of_arc[self.ring_arcs // 2] * (1 - 2 * (self.ring_arcs % 2))
        return np.add.reduceat(signed, self.ring_start[:-1])

    def region_areas(self) -> np.ndarray:
        """(K,) float64 pixels inside each region, without its holes."""
        return np.bincount(self.ring_region, self.ring_areas(), self.num_regions)

    def rasterised(self) -> np.ndarray:
        """(H, W) int32: the region in whose polygon the centre of each pixel lies."""
        start, end = self.vertices[:-1], self.vertices[1:]
        arc = np.repeat(np.arange(self.num_arcs), np.diff(self.arc_start))[:-1]
        is_segment = np.ones(len(start), bool)
        is_segment[self.arc_start[1:-1] - 1] = False
        is_segment &= start[:, 1] != end[:, 1]
        start, end, arc = start[is_segment], end[is_segment], arc[is_segment]
        # every row of pixel centres that a segment crosses
        first, last = (f(start[:, 1], end[:, 1]) for f in (np.minimum, np.maximum))
        count = last - first
        segment = np.repeat(np.arange(len(start)), count)
        row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - first, count)
        (x0, y0), (x1, y1) = start[segment].T, end[segment].T
        x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
        beyond = np.where(y1 > y0, self.left[arc[segment]], self.right[arc[segment]])
        order = np.lexsort((x, row))
        column = np.ceil(x[order] - 0.5).astype(np.int64)
        inside = column < self.width
        at = row[order][inside] * self.width + column[inside]
        # of crossings before the same pixel centre the last counts
        counts = np.append(at[1:] != at[:-1], True)
        at, region = at[counts], beyond[order][inside][counts]
        lengths = np.diff(np.append(at, self.width * self.height))
        return np.repeat(region, lengths).reshape(self.height, self.width).astype(np.int32)


def trace_boundaries(index: np.ndarray) -> Boundaries:
    """The arcs and rings of a partition: ``index`` (H, W) has the region 0..K-1 of each pixel, of
    which each is 4-connected.  Arcs have a vertex at every pixel corner that they pass."""
    height, width = index.shape
    padded = np.full((height + 2, width + 2), OUTSIDE, np.int32)
    padded[1:-1, 1:-1] = index
    points, arc_start, left, right, ring_start, ring_arcs, ring_region = _trace(padded)
    traced = Boundaries(
        width=width, height=height, arc_start=arc_start, left=left, right=right,
        vertices=np.stack([points % (width + 1), points // (width + 1)], 1).astype(np.int32),
        ring_start=ring_start, ring_arcs=ring_arcs, ring_region=ring_region)
    return _ordered_rings(traced)


def _ordered_rings(traced: Boundaries) -> Boundaries:
    """Rings of regions inside the image, in the order of the region, the outer one first."""
    order = np.lexsort((-traced.ring_areas(), traced.ring_region))
    order = order[traced.ring_region[order] != OUTSIDE]
    parts = [traced.ring_arcs[traced.ring_start[n]:traced.ring_start[n + 1]] for n in order]
    return Boundaries(
        width=traced.width, height=traced.height, vertices=traced.vertices,
        arc_start=traced.arc_start, left=traced.left, right=traced.right,
        ring_start=np.cumsum([0, *map(len, parts)]), ring_arcs=np.concatenate(parts),
        ring_region=traced.ring_region[order])


#: Directions on the lattice in clockwise order on the screen: right, down, left, up.
_RIGHT, _DOWN, _LEFT, _UP = range(4)


@compiled
def _region_beside(padded, x, y, direction, on_right):
    """The region on one side of the edge that leaves the corner (x, y) in a direction."""
    is_below = (direction == _RIGHT) == on_right
    if direction == _RIGHT or direction == _LEFT:
        return padded[y + (1 if is_below else 0), x + (1 if direction == _RIGHT else 0)]
    # downwards, what is on the right-hand side is on the left of the screen
    is_beyond = (direction == _UP) == on_right
    return padded[y + (1 if direction == _DOWN else 0), x + (1 if is_beyond else 0)]


@compiled
def _has_edge(padded, x, y, direction):
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    if (direction == _RIGHT and x == width) or (direction == _LEFT and x == 0) \
            or (direction == _DOWN and y == height) or (direction == _UP and y == 0):
        return False
    return _region_beside(padded, x, y, direction, True) \
        != _region_beside(padded, x, y, direction, False)


@compiled
def _trace(padded):
    """Arcs as lattice points ``y (W + 1) + x``, their regions, and rings of directed arcs, of the
    outside too."""
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    pitch = width + 1
    num_corners = pitch * (height + 1)
    step = np.array([1, pitch, -1, -pitch])
    degree = np.zeros(num_corners, np.uint8)
    edges = 0
    for y in range(height + 1):
        for x in range(width + 1):
            for direction in range(4):
                if _has_edge(padded, x, y, direction):
                    degree[y * pitch + x] += 1
                    edges += 1
    for y in (0, height):
        for x in (0, width):
            degree[y * pitch + x] = 4
    # by directed edge, corner * 4 + direction: the directed arc that begins with it
    begun = np.full(4 * num_corners, -1, np.int32)
    was_passed = np.zeros(4 * num_corners, np.bool_)
    points = np.empty(edges + 8, np.int64)
    arc_start = np.zeros(edges + 1, np.int64)
    left, right = np.empty(edges, np.int32), np.empty(edges, np.int32)
    # direction of arrival at the end of a directed arc
    arrival = np.empty(2 * edges, np.int8)
    arcs = total = 0
    # arcs between nodes first, then closed ones
    for closed in range(2):
        for corner in range(num_corners):
            if degree[corner] == 0 or (closed == 0 and degree[corner] < 3):
                continue
            for direction in range(4):
                x, y = corner % pitch, corner // pitch
                if was_passed[4 * corner + direction] or not _has_edge(padded, x, y, direction):
                    continue
                left[arcs] = _region_beside(padded, x, y, direction, False)
                right[arcs] = _region_beside(padded, x, y, direction, True)
                begun[4 * corner + direction] = 2 * arcs
                points[total] = corner
                total += 1
                at, heading = corner, direction
                while True:
                    was_passed[4 * at + heading] = True
                    at += step[heading]
                    back = (heading + 2) % 4
                    was_passed[4 * at + back] = True
                    points[total] = at
                    total += 1
                    if at == corner or degree[at] >= 3:
                        break
                    for turn in range(4):
                        if turn != back and _has_edge(padded, at % pitch, at // pitch, turn):
                            heading = turn
                            break
                begun[4 * at + back] = 2 * arcs + 1
                arrival[2 * arcs] = heading
                arrival[2 * arcs + 1] = (direction + 2) % 4
                arcs += 1
                arc_start[arcs] = total
    ring_start = np.zeros(2 * arcs + 1, np.int64)
    ring_arcs = np.empty(2 * arcs, np.int64)
    ring_region = np.empty(2 * arcs, np.int32)
    is_used = np.zeros(2 * arcs, np.bool_)
    rings = used = 0
    for first in range(2 * arcs):
        if is_used[first]:
            continue
        region = left[first // 2] if first % 2 else right[first // 2]
        ring_region[rings] = region
        directed = first
        while not is_used[directed]:
            is_used[directed] = True
            ring_arcs[used] = directed
            used += 1
            arc = directed // 2
            end = points[arc_start[arc]] if directed % 2 else points[arc_start[arc + 1] - 1]
            if points[arc_start[arc]] == points[arc_start[arc + 1] - 1] and degree[end] < 3:
                break
            # around the ring's own pixel: to the right, straight on, to the left
            for turn in (1, 0, 3):
                heading = (arrival[directed] + turn) % 4
                following = begun[4 * end + heading]
                if following >= 0:
                    beside = left[following // 2] if following % 2 else right[following // 2]
                    if beside == region:
                        directed = following
                        break
        rings += 1
        ring_start[rings] = used
    return (points[:total], arc_start[:arcs + 1], left[:arcs], right[:arcs],
            ring_start[:rings + 1], ring_arcs[:used], ring_region[:rings])
