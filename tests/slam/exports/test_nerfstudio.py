"""``transforms.json`` by the rules of nerfstudio's documentation: intrinsics for all frames or in
each; camera-to-world matrices with OpenGL's axes; depth images of 16-bit millimetres."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.saved_maps import room_map

from scenecode.slam.exports.export import export


def load(folder):
    """As nerfstudio's parser: for every frame its intrinsics, matrix, image and depth in metres,
    rows of pixels down."""
    meta = json.loads((folder / "transforms.json").read_text())
    assert meta["camera_model"] == "OPENCV"
    for frame in meta["frames"]:
        intrinsics = {key: float(meta[key] if key in meta else frame[key]) for key in
                      ("fl_x", "fl_y", "cx", "cy", "w", "h", "k1", "k2", "p1", "p2")}
        depth = cv2.imread(str(folder / frame["depth_file_path"]), cv2.IMREAD_UNCHANGED)
        image = cv2.imread(str(folder / frame["file_path"]))[..., ::-1]
        yield intrinsics, np.array(frame["transform_matrix"]), image, depth * 1e-3


def test_rays_of_the_reader_end_at_the_points_of_the_map(tmp_path):
    saved = room_map()
    export(saved, "nerfstudio", tmp_path / "data")
    frames = [*load(tmp_path / "data")]
    for view, (K, T, image, depth) in zip(saved.keyframes, frames, strict=True):
        assert np.array_equal(image, view.image) and (K["w"], K["h"]) == image.shape[1::-1]
        v, u = np.mgrid[:depth.shape[0], :depth.shape[1]]
        # cameras.py: pixel centres at 0.5, y and z negated
        x = np.stack([(u + 0.5 - K["cx"]) / K["fl_x"], -(v + 0.5 - K["cy"]) / K["fl_y"],
                      -np.ones(u.shape)], -1) * depth[..., None]
        world = x @ T[:3, :3].T + T[:3, 3]
        c = view.camera
        ours = np.stack([(u - c.cx) / c.fx, (v - c.cy) / c.fy, np.ones(u.shape)], -1)
        ours = ours * view.depth[..., None] @ view.T_world_cam[:3, :3].T + view.T_world_cam[:3, 3]
        assert np.abs(world - ours).max() < 2e-3
    assert all(K["k1"] == K["k2"] == K["p1"] == K["p2"] == 0 for K, *_ in frames)


def test_cameras_that_differ_are_given_with_each_frame(tmp_path):
    saved = room_map(keyframes=2)
    other = replace(saved.keyframes[1], camera=replace(saved.keyframes[1].camera, fx=50.0))
    export(replace(saved, keyframes=(saved.keyframes[0], other)), "nerfstudio", tmp_path / "data")
    assert [K["fl_x"] for K, *_ in load(tmp_path / "data")] \
        == pytest.approx([saved.keyframes[0].camera.fx, 50.0])


def test_initial_points_are_named(tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="needs trimesh: pip install -e '.[test]'")
    saved = room_map(keyframes=1)
    export(saved, "nerfstudio", tmp_path / "data")
    meta = json.loads((tmp_path / "data" / "transforms.json").read_text())
    found = trimesh.load(tmp_path / "data" / meta["ply_file_path"])
    assert np.allclose(found.vertices, saved.cloud.points)
