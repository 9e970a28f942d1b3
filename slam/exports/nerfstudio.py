"""A nerfstudio data set: ``transforms.json``, undistorted images, depth, and initial points.

Poses are ``T_world_cam`` with the axes of OpenGL: the camera looks along -z with +y up.  Pixels
are half a pixel further than ours: the corner of the first one is at (0, 0).
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scenecode.core.atomic_write import write_bytes, write_text
from scenecode.core.images import png_bytes
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.exports.colmap import write_images
from scenecode.slam.output.formats.ply import write_ply
from scenecode.slam.output.saved_map import SavedMap

#: Our camera axes to OpenGL's, and back.
GL_FROM_CV = np.diag([1.0, -1.0, -1.0, 1.0])
POINTS = "points.ply"
_MAX_MM = 65535


def write_nerfstudio(saved: SavedMap, folder: Path, progress: Callable[[int, int], None]) -> None:
    """``transforms.json``, ``images/NNNNNN.png``, ``depth/NNNNNN.png`` (16-bit millimetres along
    the optical axis, 0 unknown) and ``points.ply``, the fused points."""
    frames: list[dict[str, Any]] = []
    cameras = [_intrinsics(view.camera) for view in saved.keyframes]
    shared = len({view.camera for view in saved.keyframes}) == 1
    (folder / "depth").mkdir()
    for view, intrinsics in zip(saved.keyframes, cameras):
        name = f"{view.frame_index:06d}.png"
        millimetres = np.clip(np.rint(view.depth * 1000.0), 0, _MAX_MM).astype(np.uint16)
        write_bytes(folder / "depth" / name, png_bytes(millimetres))
        frames.append({"file_path": f"images/{name}", "depth_file_path": f"depth/{name}",
                       "transform_matrix": (view.T_world_cam @ GL_FROM_CV).tolist(),
                       **({} if shared else intrinsics)})
    content: dict[str, Any] = {"camera_model": "OPENCV"}
    if shared:
        content.update(cameras[0])
    if len(saved.cloud):
        write_ply(folder / POINTS, saved.cloud)
        content["ply_file_path"] = POINTS
    content["frames"] = frames
    write_text(folder / "transforms.json", json.dumps(content, indent=1) + "\n")
    write_images(saved, folder / "images", progress)


def _intrinsics(camera: PinholeCamera) -> dict[str, float]:
    return {"w": camera.width, "h": camera.height, "fl_x": camera.fx, "fl_y": camera.fy,
            "cx": camera.cx + 0.5, "cy": camera.cy + 0.5, "k1": 0.0, "k2": 0.0, "p1": 0.0,
            "p2": 0.0}
