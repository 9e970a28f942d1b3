"""The formats of exports, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scenecode.slam.exports.colmap import write_colmap
from scenecode.slam.exports.floor_plan import write_floor_plan
from scenecode.slam.exports.keyframe_arrays import write_keyframe_arrays
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


FORMATS: dict[str, Format] = {
    "ply": Format("fused points with colour, label and confidence", write_point_cloud),
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
