"""Result folders: complete at every moment, written sparingly, read back, damage explained."""

import json
import os
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import trimesh

from scenecode.core.errors import ResultError
from scenecode.networks.classes import NYU13
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.output.formats.ply import read_ply, write_ply
from scenecode.slam.output.result_folder import ResultFolder, load_result
from scenecode.slam.records.snapshot import (
    FusedCloud,
    KeyframeView,
    PointCloud,
    Snapshot,
    StoredMaps,
)
from scenecode.slam.records.trajectory import Trajectory, read_tum

W, H = 64, 48
CAMERA = PinholeCamera(60.0, 61.0, 31.5, 23.5, W, H)
EXPECTED_FILES = {"trajectory.txt", "trajectory_live.txt", "keyframes.txt", "keyframes",
                  "map.ply", "classes.json", "config.yaml", ".lock"}
KEYFRAME_FILES = {"rgb.png", "depth.png", "labels.png", "uncertainty.png", "confidence.png",
                  "camera.json"}


def keyframe(index, seed=0):
    rng = np.random.default_rng(seed)
    T = np.eye(4)
    T[0, 3] = index
    maps = StoredMaps(image=rng.integers(0, 256, (H, W, 3), dtype=np.uint8),
                      depth=rng.uniform(0.3, 9, (H, W)).astype(np.float32),
                      depth_std=rng.uniform(0, 1, (H, W)).astype(np.float32),
                      labels=rng.integers(0, 13, (H, W), dtype=np.uint8),
                      confidence=rng.uniform(0, 1, (H, W)).astype(np.float32))
    return KeyframeView(frame_index=index, timestamp=index / 30, T_world_cam=T, camera=CAMERA,
                        maps=maps)


def at_depth(view, depth):
    """The same keyframe with another depth."""
    return replace(view, maps=replace(view.maps, depth=depth))


def chunk(n):
    rng = np.random.default_rng(n)
    return PointCloud(points=rng.normal(size=(n, 3)).astype(np.float32),
                      colours=rng.integers(0, 256, (n, 3), dtype=np.uint8),
                      labels=rng.integers(0, 13, n, dtype=np.uint8),
                      confidence=rng.uniform(size=n).astype(np.float32))


def cloud():
    return FusedCloud({7: chunk(60), 9: chunk(40)})


def path(n=5):
    T = np.tile(np.eye(4), (n, 1, 1))
    T[:, 1, 3] = np.arange(n)
    return Trajectory(np.arange(n) / 30, T)


@pytest.fixture
def snapshot():
    return Snapshot(version=3, classes=NYU13, keyframes=(keyframe(0), keyframe(7, 1)),
                    cloud=cloud())


@pytest.fixture
def result(tmp_path, snapshot):
    result = ResultFolder.create(tmp_path / "out", NYU13, "fps: 30\n")
    result.write_map(snapshot)
    result.write_trajectories(path(), path(4))
    return result


def names(folder):
    return {p.name for p in folder.iterdir()}


def test_a_new_folder_is_complete_and_readable_before_the_first_frame(tmp_path):
    ResultFolder.create(tmp_path / "a" / "b", NYU13, "fps: 30\n")
    assert names(tmp_path / "a" / "b") == EXPECTED_FILES
    empty = load_result(tmp_path / "a" / "b")
    assert empty.classes == NYU13 and empty.keyframes == () and len(empty.cloud.points) == 0
    assert (tmp_path / "a" / "b" / "config.yaml").read_text() == "fps: 30\n"


def test_what_is_written_is_loaded(result, snapshot):
    loaded = load_result(result.path)
    assert [k.frame_index for k in loaded.keyframes] == [0, 7]
    for ours, theirs in zip(loaded.keyframes, snapshot.keyframes):
        assert np.array_equal(ours.image, theirs.image)
        assert np.array_equal(ours.labels, theirs.labels)
        assert np.abs(ours.depth - theirs.depth).max() < 0.00051
        assert np.abs(ours.depth_std - theirs.depth_std).max() < 0.00051
        assert np.abs(ours.confidence - theirs.confidence).max() < 0.51 / 255
        assert np.abs(ours.T_world_cam - theirs.T_world_cam).max() < 1e-8
        assert ours.camera == theirs.camera
        assert ours.timestamp == pytest.approx(theirs.timestamp, abs=1e-6)
    for field in ("points", "colours", "labels", "confidence"):
        assert np.array_equal(getattr(loaded.cloud, field), getattr(snapshot.cloud, field))
    assert np.abs(loaded.trajectory - path().T_world_cam).max() < 1e-8


def test_files_are_what_other_programs_expect(result, snapshot):
    folder = result.path / "keyframes" / "000007"
    assert names(result.path) == EXPECTED_FILES and names(folder) == KEYFRAME_FILES
    depth = cv2.imread(str(folder / "depth.png"), cv2.IMREAD_UNCHANGED)
    assert depth.dtype == np.uint16 and depth.shape == (H, W)
    assert depth[3, 5] == round(1000 * float(snapshot.keyframes[1].depth[3, 5]))
    bgr = cv2.imread(str(folder / "rgb.png"))
    assert np.array_equal(bgr[..., ::-1], snapshot.keyframes[1].image)
    assert cv2.imread(str(folder / "labels.png"), cv2.IMREAD_UNCHANGED).dtype == np.uint8
    camera = json.loads((folder / "camera.json").read_text())
    assert [camera[k] for k in ("fx", "fy", "cx", "cy", "width", "height")] == [
        60, 61, 31.5, 23.5, W, H]
    assert len(read_tum(result.path / "keyframes.txt")) == 2
    assert len(read_tum(result.path / "trajectory_live.txt")) == 4


def test_the_ply_opens_in_another_program(result, snapshot):
    mesh = trimesh.load(result.path / "map.ply")
    assert np.allclose(mesh.vertices, snapshot.cloud.points)
    assert np.array_equal(np.asarray(mesh.colors)[:, :3], snapshot.cloud.colours)


def test_depth_out_of_range_is_cut_not_wrapped(tmp_path):
    result = ResultFolder.create(tmp_path, NYU13, "")
    depth = np.full((H, W), 100.0, np.float32)
    depth[0, :3] = -1, np.nan, np.inf
    view = at_depth(keyframe(0), depth)
    result.write_map(Snapshot(version=1, classes=NYU13, keyframes=(view,)))
    loaded = load_result(tmp_path).keyframes[0].depth
    assert loaded[0, :3].tolist() == pytest.approx([0, 0, 65.535])
    assert loaded[1, 0] == pytest.approx(65.535)


def inodes(folder):
    """A replaced file is another file."""
    return {p.name: os.stat(p).st_ino for p in folder.iterdir()}


def test_only_what_changed_is_written_again(result, snapshot):
    first, second = (result.path / "keyframes" / n for n in ("000000", "000007"))
    before = inodes(first), inodes(second), inodes(result.path)
    deeper = at_depth(snapshot.keyframes[1], snapshot.keyframes[1].depth + 1)
    result.write_map(replace(snapshot, keyframes=(snapshot.keyframes[0], deeper)))
    assert inodes(first) == before[0]
    changed = {n for n, inode in inodes(second).items() if inode != before[1][n]}
    assert changed == {"depth.png"}
    assert inodes(result.path)["map.ply"] == before[2]["map.ply"]
    assert np.abs(load_result(result.path).keyframes[1].depth - deeper.depth).max() < 0.00051


def test_a_moved_keyframe_changes_its_pose_only(result, snapshot):
    before = inodes(result.path / "keyframes" / "000007")
    T = np.eye(4)
    T[2, 3] = 5
    result.write_map(replace(snapshot, keyframes=(
        snapshot.keyframes[0], replace(snapshot.keyframes[1], T_world_cam=T))))
    assert inodes(result.path / "keyframes" / "000007") == before
    assert load_result(result.path).keyframes[1].T_world_cam[2, 3] == 5


def test_a_folder_that_is_removed_in_between_ends_the_run(result, snapshot):
    shutil.rmtree(result.path)
    with pytest.raises(ResultError, match="removed or emptied while a run wrote it"):
        result.write_map(snapshot)


def test_a_dropped_keyframe_disappears(result, snapshot):
    result.write_map(replace(snapshot, keyframes=snapshot.keyframes[1:]))
    assert names(result.path / "keyframes") == {"000007"}
    assert [k.frame_index for k in load_result(result.path).keyframes] == [7]


def test_a_write_that_fails_leaves_the_old_files(result, snapshot, monkeypatch):
    """The disk fills up in the middle of the second keyframe."""
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scenecode.core.atomic_write.os.replace", full)
    changed = at_depth(snapshot.keyframes[1], snapshot.keyframes[1].depth + 1)
    with pytest.raises(ResultError, match="No space left.*free space"):
        result.write_map(replace(snapshot, keyframes=(snapshot.keyframes[0], changed)))
    with pytest.raises(ResultError, match="No space left"):
        result.write_map(replace(snapshot, keyframes=(*snapshot.keyframes, keyframe(9))))
    monkeypatch.undo()
    loaded = load_result(result.path)
    assert [k.frame_index for k in loaded.keyframes] == [0, 7]
    assert np.abs(loaded.keyframes[1].depth - snapshot.keyframes[1].depth).max() < 0.00051


def test_the_report_is_json_whatever_is_in_it(result):
    result.write_report({"ate_m": np.float32(0.5), "frames": np.int64(3), "miou": float("nan"),
                         "lost_spans": [(1, 2)], "per_class": np.array([0.5, np.inf])})
    assert json.loads((result.path / "report.json").read_text()) == {
        "ate_m": 0.5, "frames": 3, "miou": None, "lost_spans": [[1, 2]], "per_class": [0.5, None]}


def test_an_earlier_result_is_cleared_and_foreign_files_stay(result):
    result.write_report({})
    result.close()
    (result.path / "my notes.txt").write_text("keep")
    (result.path / ".map.ply.part").write_bytes(b"killed while writing")
    ResultFolder.create(result.path, NYU13, "fps: 10\n")
    assert names(result.path) - {".map.ply.part"} == EXPECTED_FILES | {"my notes.txt"}
    assert names(result.path / "keyframes") == set()
    assert load_result(result.path).keyframes == ()


@pytest.mark.parametrize("name, content", [
    ("thesis.tex", "five years"), ("config.yaml", "mine: 1"), ("classes.json", '{"mine": 1}')])
def test_a_folder_with_other_things_is_refused_untouched(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(ResultError, match="another|new folder"):
        ResultFolder.create(tmp_path, NYU13, "")
    assert names(tmp_path) == {name} and (tmp_path / name).read_text() == content


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ResultError, match="out"):
        ResultFolder.create(tmp_path / "out", NYU13, "")


@pytest.mark.parametrize("damage", ["depth.png", "camera.json", "labels.png"])
def test_a_damaged_keyframe_is_skipped_with_a_warning(result, caplog, damage):
    file = result.path / "keyframes" / "000000" / damage
    file.write_bytes(file.read_bytes()[:15])
    assert [k.frame_index for k in load_result(result.path).keyframes] == [7]
    assert damage in caplog.text


def test_a_keyframe_image_of_another_kind_or_size_is_skipped(result, caplog):
    folder = result.path / "keyframes"
    cv2.imwrite(str(folder / "000000" / "depth.png"), np.zeros((H, W), np.uint8))
    cv2.imwrite(str(folder / "000007" / "labels.png"), np.zeros((H, W + 2), np.uint8))
    assert load_result(result.path).keyframes == ()
    assert "must be uint16" in caplog.text and "66x48" in caplog.text


def test_a_keyframe_without_a_pose_yet_is_skipped(result, caplog):
    """Killed after the folder appeared and before the list of poses did."""
    lines = (result.path / "keyframes.txt").read_text().splitlines()
    (result.path / "keyframes.txt").write_text("\n".join(lines[:-1]) + "\n")
    assert [k.frame_index for k in load_result(result.path).keyframes] == [0]
    assert "no pose" in caplog.text


@pytest.mark.parametrize("name, damage", [
    ("map.ply", None), ("map.ply", b"ply"), ("trajectory.txt", None),
    ("trajectory.txt", b"0 0 0 0 0 0 nan 1\n"), ("classes.json", None),
    ("classes.json", b"[{"), ("classes.json", b"[1]"), ("keyframes.txt", None)])
def test_a_missing_or_damaged_file_is_named(result, name, damage):
    if damage is None:
        (result.path / name).unlink()
    else:
        (result.path / name).write_bytes(damage)
    with pytest.raises(ResultError, match=name):
        load_result(result.path)


def test_a_folder_that_is_no_result_is_refused(tmp_path):
    with pytest.raises(ResultError, match="not a result folder"):
        load_result(tmp_path)
    with pytest.raises(ResultError, match="no such folder"):
        load_result(tmp_path / "absent")


# -- PLY --------------------------------------------------------------------------------------

def test_a_truncated_ply_is_refused_with_both_sizes(tmp_path):
    file = tmp_path / "map.ply"
    write_ply(file, cloud())
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ResultError, match="announces 100 points"):
        read_ply(file)


@pytest.mark.parametrize("old, new, rule", [
    (b"binary_little_endian", b"binary_big_endian", "binary_little_endian"),
    (b"property uchar label\n", b"", "label"),
    (b"property float x\nproperty float y", b"property float y\nproperty float x", "this order"),
    (b"element vertex 100", b"element vertex many", "vertex"),
    (b"element vertex 100", b"element vertex -1", "vertex"),
    (b"end_header", b"", "complete header"),
    (b"ply\n", b"PLY\n", "not a PLY"),
])
def test_another_ply_layout_is_refused(tmp_path, old, new, rule):
    file = tmp_path / "map.ply"
    write_ply(file, cloud())
    file.write_bytes(file.read_bytes().replace(old, new, 1))
    with pytest.raises(ResultError, match=rule) as error:
        read_ply(file)
    assert "map.ply" in str(error.value)


def test_points_that_are_not_finite_are_refused(tmp_path):
    broken = chunk(100)
    broken.points[5, 1] = np.nan
    write_ply(tmp_path / "map.ply", FusedCloud.of(broken))
    with pytest.raises(ResultError, match="not finite"):
        read_ply(tmp_path / "map.ply")


def test_a_comment_in_the_header_is_passed_over(tmp_path):
    file = tmp_path / "map.ply"
    write_ply(file, cloud())
    file.write_bytes(file.read_bytes().replace(b"ply\n", b"ply\ncomment hello\n", 1))
    assert len(read_ply(file).points) == 100
