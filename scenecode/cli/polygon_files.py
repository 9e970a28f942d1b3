"""The polygon map of a result folder, beside the files of every run."""

import json
from pathlib import Path
from typing import Any

from scenecode.core.atomic_write import write_text
from scenecode.core.console import make_console
from scenecode.core.errors import ConfigError
from scenecode.core.images import write_rgb
from scenecode.slam.exports.extras import import_extra
from scenecode.slam.exports.mesh_files import write_glb, write_mesh_ply
from scenecode.slam.exports.options import ExportOptions
from scenecode.slam.output.result_folder import (
    POLYGONS_GLB,
    POLYGONS_PICTURE,
    POLYGONS_PLAN,
    POLYGONS_PLY,
    REPORT,
)
from scenecode.slam.output.saved_map import saved_folder
from scenecode.slam.polygons.of_map import polygons_of


def require_polygons_possible(out: str | None) -> None:
    """Raise ``ConfigError`` without a result folder to write a polygon map to."""
    if out is None:
        raise ConfigError("--map-form polygons writes files beside the other results; add --out "
                          "DIR")
    import_extra("trimesh", "meshes", POLYGONS_GLB)


def write_polygon_files(out: str, mask_moving: bool) -> dict[str, Any]:
    """Make ``polygons.glb``, ``.ply``, ``.geojson`` and ``.png`` of the map in a result folder,
    and add the memory table to its ``report.json``; returns the whole report.  To ``mask_moving``
    is to leave people and vehicles out."""
    # numba is needed for polygons only
    from scenecode.slam.polygons.ground_plan import ground_plan
    from scenecode.slam.polygons.memory import memory_table
    from scenecode.slam.polygons.picture import polygon_picture
    folder = Path(out)
    with make_console(stderr=True).status("making polygons of the map"):
        saved = saved_folder(folder)
        polygons = polygons_of(saved, mask_moving=mask_moving)
        mesh = polygons.mesh()
        if len(mesh.triangles):
            write_glb(saved, mesh, folder / POLYGONS_GLB, ExportOptions(colours="image"))
        write_mesh_ply(saved, mesh, folder / POLYGONS_PLY)
        plan = ground_plan(polygons, saved.T_ground_world)
        write_text(folder / POLYGONS_PLAN, json.dumps(plan) + "\n")
        write_rgb(folder / POLYGONS_PICTURE, polygon_picture(
            polygons, saved.trajectory.positions, [view.image for view in saved.keyframes]))
        report = {**saved.report, **memory_table(polygons).report()}
        write_text(folder / REPORT, json.dumps(report, indent=1, allow_nan=False) + "\n")
    return report
