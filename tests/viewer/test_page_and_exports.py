"""What is exported is where the page shows it."""

import json

import numpy as np
import pytest
from support.page_client import PageClient
from support.saved_maps import room_map

from scenecode.slam.exports.export import export
from scenecode.slam.output.formats.ply import read_ply
from scenecode.slam.records.trajectory import read_tum
from scenecode.viewer.replay import open_viewer

SAVED = room_map(keyframes=4, width=32)


@pytest.fixture(scope="module")
def shown():
    """What the page gets, by type of message."""
    viewer = open_viewer(SAVED, "127.0.0.1", 0)
    client = PageClient(viewer.link)
    received = client.until_complete(SAVED.snapshot.version)
    client.close()
    viewer.close()
    return {kind: content for kind, content, _ in received}


def homogeneous(rows):
    rows = np.reshape(rows, (-1, 3, 4))
    T = np.tile(np.eye(4), (len(rows), 1, 1))
    T[:, :3] = rows
    return T


def test_paths_are_those_of_the_page(shown, tmp_path):
    export(SAVED, "tum", tmp_path / "path.txt")
    assert read_tum(tmp_path / "path.txt").T_world_cam \
        == pytest.approx(homogeneous(shown["path"]["poses"]), abs=1e-6)


def test_keyframes_are_those_of_the_page(shown, tmp_path):
    page = homogeneous(shown["keyframes"]["poses"])
    export(SAVED, "npz", tmp_path / "npz")
    export(SAVED, "nerfstudio", tmp_path / "nerfstudio")
    frames = json.loads((tmp_path / "nerfstudio" / "transforms.json").read_text())["frames"]
    for index, T, frame in zip(shown["keyframes"]["frame_index"], page, frames, strict=True):
        with np.load(tmp_path / "npz" / "keyframes" / f"{index:06d}.npz") as found:
            assert found["T_world_cam"] == pytest.approx(T, abs=1e-6)
        opengl = np.array(frame["transform_matrix"])
        assert opengl[:, [0, 3]] == pytest.approx(T[:, [0, 3]], abs=1e-6)
        assert opengl[:, 1:3] == pytest.approx(-T[:, 1:3], abs=1e-6)


def test_colmaps_cameras_are_those_of_the_page(shown, tmp_path):
    pycolmap = pytest.importorskip("pycolmap", reason="needs pycolmap: pip install -e '.[test]'")
    export(SAVED, "colmap", tmp_path / "colmap")
    model = pycolmap.Reconstruction(tmp_path / "colmap" / "sparse" / "0")
    centres = {image.name: image.projection_center() for image in model.images.values()}
    for index, T in zip(shown["keyframes"]["frame_index"],
                        homogeneous(shown["keyframes"]["poses"])):
        assert centres[f"{index:06d}.png"] == pytest.approx(T[:3, 3], abs=1e-6)


def test_points_and_the_floor_are_those_of_the_page(shown, tmp_path):
    export(SAVED, "ply", tmp_path / "map.ply")
    export(SAVED, "floorplan", tmp_path / "plan")
    points = read_ply(tmp_path / "map.ply").points
    assert len(points) == shown["scene"]["points"]
    T = np.array(shown["scene"]["T_ground_world"]).reshape(4, 4)
    plan = json.loads((tmp_path / "plan" / "ground.json").read_text())["T_ground_world"]
    assert np.array(plan) == pytest.approx(T, abs=1e-6)
