"""The polygons of a whole map."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from scenecode.slam.records.snapshot import HasKeyframes

if TYPE_CHECKING:
    from scenecode.slam.polygons.polygon_map import PolygonMap


def polygons_of(saved: HasKeyframes,
                progress: Callable[[int, int], None] = lambda done, total: None,
                mask_moving: bool = False) -> "PolygonMap":
    """The polygons of a map with the default settings, without people and vehicles where they are
    masked; ``progress`` as for ``polygon_map``."""
    # numba is needed for polygons only
    from scenecode.slam.polygons.config import PolygonConfig
    from scenecode.slam.polygons.polygon_map import polygon_map
    config = PolygonConfig(mask_moving=mask_moving)
    return polygon_map(saved.keyframes, saved.classes, config, progress)
