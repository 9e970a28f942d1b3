"""The surface of a growing and changing map, followed keyframe by keyframe."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from scenecode.slam.records.snapshot import KeyframeView
from scenecode.slam.records.triangle_mesh import ChunkKey, TriangleMesh
from scenecode.slam.surface.chunk_mesh import chunk_mesh
from scenecode.slam.surface.chunk_store import ChunkStore
from scenecode.slam.surface.truncated_distance import Observation, Projector, could_see

#: Keyframes that must have seen a surface.
MIN_VIEWS = 2
#: Bytes of chunks in memory; others are on the disk.
BUDGET = 128 << 20
#: Decoded keyframes that are kept.
_DECODED = 24
#: Part of a voxel's edge by which a surface may be off before its keyframe is taken again, and
#: where that is measured, as a multiple of the median depth.
_SMALLEST_MOVE, _FAR = 0.25, 1.5


@dataclass(frozen=True)
class _Integrated:
    """A keyframe as it was added: its maps are decoded once more when it is subtracted."""

    view: KeyframeView
    #: median and largest depth that counts, metres
    median: float
    farthest: float
    #: chunks around its surface
    chunks: frozenset[ChunkKey]


class SurfaceMap:
    """Keyframes fused in a truncated signed distance field, which forgets what they said before
    they changed: at any time it is the one that its present keyframes give in any order.

    A chunk exists while it is near the surface of a keyframe; all keyframes that see a chunk are
    added to it.  One thread at a time may call.
    """

    def __init__(self, voxel: float, classes: int, budget: int = BUDGET):
        """``voxel``: its edge in metres; ``classes``: of the label set; ``budget``: bytes of
        chunks in memory."""
        self.voxel = voxel
        #: changed keyframes that ``update`` left for the next call
        self.pending = 0
        self._classes = classes
        self._chunks = ChunkStore(classes, budget)
        #: by frame index, in the order of addition
        self._integrated: dict[int, _Integrated] = {}
        #: how many surfaces a chunk is near to
        self._users: Counter[ChunkKey] = Counter()
        self._decoded: OrderedDict[int, Observation] = OrderedDict()

    @property
    def keys(self) -> list[ChunkKey]:
        """Of all chunks, rising."""
        return sorted(self._chunks)

    @property
    def chunks_in_memory(self) -> int:
        return self._chunks.loaded

    def update(self, keyframes: Sequence[KeyframeView], at_most: int | None = None,
               exactly: bool = True) -> frozenset[ChunkKey]:
        """Follow a map to its present keyframes; the keys of chunks whose surface is another now,
        or none any more.

        Of new and changed keyframes ``at_most`` so many are taken, the newest first.  Unless it
        must be followed ``exactly``, keyframes that moved by a small part of a voxel stay.
        """
        wanted = {view.frame_index: view for view in keyframes}
        changed = [view for view in reversed(keyframes)
                   if self._is_other(self._integrated.get(view.frame_index), view, exactly)]
        chosen = changed[:at_most]
        self.pending = len(changed) - len(chosen)
        removed = [*(self._integrated.keys() - wanted.keys()),
                   *(view.frame_index for view in chosen if view.frame_index in self._integrated)]
        if not removed and not chosen:
            return frozenset()
        before = self._min_views
        touched: set[ChunkKey] = set()
        for index in removed:
            known = self._integrated.pop(index)
            touched |= self._apply(self._observation(known.view), self._chunks.keys, -1)
            self._users.subtract(known.chunks)
        added = []
        for view in chosen:
            seen = self._observation(view)
            added.append(_Integrated(view=view, median=seen.median, farthest=seen.farthest,
                                     chunks=frozenset(seen.surface_chunks(self.voxel))))
            self._users.update(added[-1].chunks)
        touched |= self._make_room({key for known in added for key in known.chunks})
        for known in added:
            self._integrated[known.view.frame_index] = known
            touched |= self._apply(self._observation(known.view), self._chunks.keys, 1)
        if self._min_views != before:
            return frozenset(self._chunks) | touched
        return _with_those_before(touched)

    def chunk(self, key: ChunkKey) -> TriangleMesh:
        """The surface in a chunk; empty where there is none."""
        return chunk_mesh(self._chunks.get, key, self.voxel, self._min_views)

    def mesh(self) -> TriangleMesh:
        """The whole surface."""
        return TriangleMesh.joined(self.chunk(key) for key in self.keys)

    @property
    def _min_views(self) -> int:
        return min(MIN_VIEWS, len(self._integrated))

    def _is_other(self, known: _Integrated | None, view: KeyframeView, exactly: bool) -> bool:
        if known is None or known.view.maps is not view.maps or known.view.camera != view.camera:
            return True
        before, now = known.view.T_world_cam, view.T_world_cam
        if exactly:
            return not np.array_equal(before, now)
        # the Frobenius norm of the difference of rotations by a small angle is sqrt(2) times it
        turned = np.linalg.norm(before[:3, :3] - now[:3, :3]) / np.sqrt(2)
        moved = np.linalg.norm(before[:3, 3] - now[:3, 3])
        return bool(moved + _FAR * known.median * turned > _SMALLEST_MOVE * self.voxel)

    def _make_room(self, wanted: set[ChunkKey]) -> set[ChunkKey]:
        """Remove chunks that no surface is near to, and make the ``wanted`` ones that are missing,
        with all that known keyframes say about them; the removed ones."""
        gone = {key for key, users in self._users.items() if users <= 0}
        for key in gone:
            del self._users[key]
            if key in self._chunks:
                self._chunks.remove(key)
        new = sorted(key for key in wanted if key not in self._chunks)
        for key in new:
            self._chunks.add(key)
        places = np.array(new, np.int64).reshape(-1, 3)
        for known in self._integrated.values():
            if could_see(known.view, known.farthest, places, self.voxel).any():
                self._apply(self._observation(known.view), places, 1)
        return gone

    def _apply(self, seen: Observation, keys: np.ndarray, sign: int) -> set[ChunkKey]:
        """Add a keyframe to the chunks of ``keys`` (K, 3), or subtract it; those that changed."""
        projector = Projector(seen, self.voxel)
        visible = could_see(seen.view, seen.farthest, keys, self.voxel)
        chosen = ((x, y, z) for x, y, z in keys[visible].tolist())
        return {key for key in chosen if projector.add(self._chunks.changing(key), key, sign)}

    def _observation(self, view: KeyframeView) -> Observation:
        known = self._decoded.pop(view.frame_index, None)
        if known is None or known.view is not view:
            known = Observation.of(view, self.voxel, self._classes)
        self._decoded[view.frame_index] = known
        while len(self._decoded) > _DECODED:
            self._decoded.popitem(last=False)
        return known


def _with_those_before(keys: Iterable[ChunkKey]) -> frozenset[ChunkKey]:
    """Chunks, and those whose meshes take voxels from them."""
    return frozenset((x - i, y - j, z - k) for x, y, z in keys for i, j, k in np.ndindex(2, 2, 2))
