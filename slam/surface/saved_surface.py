"""The surface of a whole map."""

from collections.abc import Sequence

import numpy as np

from scenecode.slam.records.snapshot import HasKeyframes, KeyframeView
from scenecode.slam.records.triangle_mesh import TriangleMesh
from scenecode.slam.surface.surface_map import SurfaceMap

#: Edge of a voxel: share of the median depth, from 2 centimetres on.
_VOXEL_SHARE, _MIN_VOXEL = 0.0125, 0.02
#: Keyframes of which the median depth is taken, at most.
_SAMPLE = 16


def surface_of(saved: HasKeyframes) -> TriangleMesh:
    """The surface that at least two keyframes saw, or the one of a map of one keyframe, as one
    mesh in the world frame, metres; without triangles where there is none."""
    surface = SurfaceMap(voxel_edge(saved.keyframes), len(saved.classes))
    surface.update(saved.keyframes)
    return surface.mesh()


def voxel_edge(keyframes: Sequence[KeyframeView]) -> float:
    """Metres, for the surface of these keyframes."""
    chosen = np.linspace(0, len(keyframes) - 1, min(_SAMPLE, len(keyframes))).astype(int)
    depths = (keyframes[n].depth for n in chosen.tolist())
    medians = [float(np.median(depth[depth > 0])) for depth in depths if (depth > 0).any()]
    return max(_MIN_VOXEL, _VOXEL_SHARE * float(np.median(medians or [0.0])))
