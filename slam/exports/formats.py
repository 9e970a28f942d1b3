"""The formats of exports, by name."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scenecode.core.atomic_write import write_text
from scenecode.core.errors import ResultError
from scenecode.slam.exports.colmap import write_colmap
from scenecode.slam.exports.floor_plan import write_floor_plan
from scenecode.slam.exports.keyframe_arrays import write_keyframe_arrays
from scenecode.slam.exports.mesh_files import (
    material_file,
    require_surface,
    write_glb,
    write_mesh_ply,
    write_obj,
)
from scenecode.slam.exports.nerfstudio import write_nerfstudio
from scenecode.slam.exports.options import ExportOptions
from scenecode.slam.exports.point_cloud import write_point_cloud
from scenecode.slam.exports.rerun_recording import write_rerun
from scenecode.slam.exports.trajectories import (
    times_file,
    write_csv_path,
    write_euroc_path,
    write_kitti_path,
    write_tum_path,
)
from scenecode.slam.output.saved_map import SavedMap
from scenecode.slam.polygons.of_map import polygons_of
from scenecode.slam.records.triangle_mesh import TriangleMesh
from scenecode.slam.surface.saved_surface import surface_of

Progress = Callable[[int, int], None]
Writer = Callable[[SavedMap, Path, ExportOptions, Progress], None]


@dataclass(frozen=True)
class Format:
    """What ``--format NAME`` writes."""

    summary: str
    #: of a file and of the folder that a writer fills, which exists
    write: Writer
    #: whether it is a folder
    is_folder: bool = False
    #: whether it shows more of a map than poses and times
    is_dense: bool = True
    #: files beside the one that is named
    companions: Callable[[Path], tuple[Path, ...]] = lambda out: ()
    #: module that it needs, and the optional dependency that installs it
    extra: tuple[str, str] | None = None


def _surface(saved: SavedMap) -> TriangleMesh:
    mesh = surface_of(saved)
    require_surface(saved, mesh)
    return mesh


def _polygon_mesh(saved: SavedMap, progress: Progress) -> TriangleMesh:
    mesh = polygons_of(saved, progress).mesh()
    if not len(mesh.triangles):
        raise ResultError(f"{saved.path} has no polygons: nothing of it but sky is near enough; "
                          "export --format npz, which needs none")
    return mesh


def _write_ground_plan(saved: SavedMap, out: Path, progress: Progress) -> None:
    from scenecode.slam.polygons.ground_plan import ground_plan
    plan = ground_plan(polygons_of(saved, progress), saved.T_ground_world)
    write_text(out, json.dumps(plan) + "\n")


FORMATS: dict[str, Format] = {
    "ply": Format("fused points with colour, label and confidence", write_point_cloud),
    "mesh-ply": Format(
        "triangle mesh with colour, label, confidence and normals",
        lambda saved, out, options, progress: write_mesh_ply(saved, _surface(saved), out)),
    "glb": Format(
        "triangle mesh, binary glTF, y up: node and material for each class",
        lambda saved, out, options, progress: write_glb(saved, _surface(saved), out, options),
        extra=("trimesh", "meshes")),
    "obj": Format(
        "triangle mesh, Wavefront: object and material (NAME.mtl) for each class",
        lambda saved, out, options, progress: write_obj(saved, _surface(saved), out, options),
        companions=lambda out: (material_file(out),), extra=("trimesh", "meshes")),
    "polygons-glb": Format(
        "labelled planar polygons, as glb",
        lambda saved, out, options, progress: write_glb(
            saved, _polygon_mesh(saved, progress), out, options), extra=("trimesh", "meshes")),
    "polygons-ply": Format(
        "labelled planar polygons, as mesh-ply",
        lambda saved, out, options, progress: write_mesh_ply(
            saved, _polygon_mesh(saved, progress), out)),
    "polygons-geojson": Format(
        "labelled planar polygons seen from above, metres on the ground",
        lambda saved, out, options, progress: _write_ground_plan(saved, out, progress)),
    "colmap": Format(
        "folder: COLMAP text model with undistorted images and landmarks",
        lambda saved, out, options, progress: write_colmap(saved, out, progress),
        is_folder=True),
    "nerfstudio": Format(
        "folder: transforms.json with undistorted images, depth and points",
        lambda saved, out, options, progress: write_nerfstudio(saved, out, progress),
        is_folder=True),
    "tum": Format("path: timestamp tx ty tz qx qy qz qw",
                  lambda saved, out, options, progress: write_tum_path(saved, out),
                  is_dense=False),
    "kitti": Format("path: 3x4 matrices, times in NAME_times.txt",
                    lambda saved, out, options, progress: write_kitti_path(saved, out),
                    is_dense=False, companions=lambda out: (times_file(out),)),
    "euroc": Format("path: nanoseconds, position, quaternion with w first",
                    lambda saved, out, options, progress: write_euroc_path(saved, out),
                    is_dense=False),
    "csv": Format("path: table with header, marks keyframes",
                  lambda saved, out, options, progress: write_csv_path(saved, out),
                  is_dense=False),
    "npz": Format(
        "folder: depth, labels, probabilities, image and camera of each keyframe",
        lambda saved, out, options, progress: write_keyframe_arrays(saved, out, progress),
        is_folder=True),
    "floorplan": Format("folder: plan by class, occupancy for ROS, world files",
                        write_floor_plan, is_folder=True),
    "rerun": Format("recording (.rrd) for the rerun viewer",
                    lambda saved, out, options, progress: write_rerun(saved, out, progress),
                    extra=("rerun", "rerun")),
}
