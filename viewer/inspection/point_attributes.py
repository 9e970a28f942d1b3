"""What keyframes know about the points of a map: depth uncertainty, entropy, which one saw it
best."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.snapshot import KeyframeView
from scenecode.viewer.inspection.keyframe_maps import KeyframeMaps

#: Edge of the cells, in metres, in which points take over what pixels say.
CELL = 0.06
#: Every so many pixels of a keyframe, in each direction, are looked at.
PIXEL_STEP = 2
#: Entropy is that of computed probabilities in maps of so many keyframes at most.
MOST_EXACT = 60
#: The keyframe of a point that none sees.
NO_KEYFRAME = -1

_OFFSET, _BITS = 1 << 20, 21
#: Differences of the keys of a cell and of those that share a face with it: a fused surface is
#: between those of its keyframes.
_NEIGHBOURS = 0, *(sign << shift for shift in (0, _BITS, 2 * _BITS) for sign in (1, -1))


@dataclass(frozen=True)
class PointAttributes:
    """Of N points, from the keyframe that knows the depth there best; not a number and
    ``NO_KEYFRAME`` where none sees the point."""

    #: (N,) float32 metres
    depth_std: np.ndarray
    #: (N,) float32 from 0 to 1
    entropy: np.ndarray
    #: (N,) float32 metres by which its depth is off
    error: np.ndarray
    #: (N,) int32, place in the list of keyframes
    keyframe: np.ndarray


@dataclass(frozen=True)
class _Cells:
    """(M,) rising keys of the cells where a keyframe has pixels, and the best pixel's values."""

    keys: np.ndarray
    depth_std: np.ndarray
    entropy: np.ndarray
    error: np.ndarray

    def chosen(self, index: np.ndarray) -> "_Cells":
        return _Cells(keys=self.keys[index], depth_std=self.depth_std[index],
                      entropy=self.entropy[index], error=self.error[index])

    @staticmethod
    def joined(parts: Iterable["_Cells"]) -> "_Cells":
        nothing = np.zeros(0, np.float32)
        all_parts = [_Cells(keys=np.zeros(0, np.int64), depth_std=nothing, entropy=nothing,
                            error=nothing), *parts]
        return _Cells(keys=np.concatenate([part.keys for part in all_parts]),
                      depth_std=np.concatenate([part.depth_std for part in all_parts]),
                      entropy=np.concatenate([part.entropy for part in all_parts]),
                      error=np.concatenate([part.error for part in all_parts]))


class AttributeIndex:
    """Finds the attributes of points; what a keyframe sees is computed again only when its pose
    or its maps change."""

    def __init__(self, maps: KeyframeMaps):
        self._maps = maps
        self._cells: dict[int, tuple[KeyframeView, _Cells]] = {}
        self._total = _Cells.joined([])
        self._keyframe = np.zeros(0, np.int32)

    def update(self, keyframes: Sequence[KeyframeView]) -> None:
        """Take over the keyframes of another snapshot."""
        exact = len(keyframes) <= MOST_EXACT
        cells = {}
        for view in keyframes:
            known = self._cells.get(view.frame_index)
            if known is None or known[0].maps is not view.maps \
                    or not np.array_equal(known[0].T_world_cam, view.T_world_cam):
                known = view, self._seen(view, exact)
            cells[view.frame_index] = known
        self._cells = cells
        parts = [part for _, part in cells.values()]
        total = _Cells.joined(parts)
        keyframe = np.repeat(np.arange(len(parts), dtype=np.int32),
                             [len(part.keys) for part in parts])
        best = _first_of_each(total.keys, total.depth_std)
        self._total = total.chosen(best)
        self._keyframe = keyframe[best]

    def of(self, points: np.ndarray) -> PointAttributes:
        """Attributes of points (N, 3) in the world frame."""
        total, keys = self._total, _keys(points)
        std, entropy, error = (np.full(len(points), np.nan, np.float32) for _ in range(3))
        keyframe = np.full(len(points), NO_KEYFRAME, np.int32)
        if not len(total.keys):
            return PointAttributes(depth_std=std, entropy=entropy, error=error, keyframe=keyframe)
        for step in _NEIGHBOURS:
            unknown = np.flatnonzero(keyframe == NO_KEYFRAME)
            wanted = keys[unknown] + step
            at = np.minimum(np.searchsorted(total.keys, wanted), len(total.keys) - 1)
            found = total.keys[at] == wanted
            to, at = unknown[found], at[found]
            std[to], entropy[to], error[to] = (total.depth_std[at], total.entropy[at],
                                               total.error[at])
            keyframe[to] = self._keyframe[at]
        return PointAttributes(depth_std=std, entropy=entropy, error=error, keyframe=keyframe)

    def _seen(self, view: KeyframeView, exact: bool) -> _Cells:
        decoded = self._maps.of(view, exact)
        pick = (slice(None, None, PIXEL_STEP),) * 2
        depth = decoded.maps.depth[pick]
        known = np.isfinite(depth) & (depth > 0)
        rays = _rays(view.camera)[pick]
        points = rays[known] * depth[known][:, None]
        world = points @ view.T_world_cam[:3, :3].T + view.T_world_cam[:3, 3]
        keys = _keys(world)
        std, entropy = decoded.maps.depth_std[pick][known], decoded.entropy[pick][known]
        error = np.full(std.shape, np.nan) if decoded.error is None \
            else decoded.error[pick][known]
        cells = _Cells(keys=keys, depth_std=std.astype(np.float32),
                       entropy=entropy.astype(np.float32), error=error.astype(np.float32))
        return cells.chosen(_first_of_each(keys, std))


def _rays(camera: PinholeCamera) -> np.ndarray:
    """(H, W, 3) with z = 1."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    return np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy,
                     np.ones(u.shape)], -1)


def _keys(points: np.ndarray) -> np.ndarray:
    """(N,) int64 of the cells of points (N, 3)."""
    cells = np.floor(np.asarray(points, np.float64) / CELL)
    cells = np.clip(np.nan_to_num(cells), -_OFFSET, _OFFSET - 1).astype(np.int64) + _OFFSET
    return (cells[:, 0] << (2 * _BITS)) | (cells[:, 1] << _BITS) | cells[:, 2]


def _first_of_each(keys: np.ndarray, order_by: np.ndarray) -> np.ndarray:
    """Indices that give every key once, rising, where ``order_by`` is smallest."""
    order = np.lexsort((order_by, keys))
    first = np.ones(len(order), bool)
    first[1:] = keys[order][1:] != keys[order][:-1]
    return order[first]
