"""KITTI odometry sequences: calibration, times, and poses of the camera that is taken."""

import numpy as np
import pytest
from support import data_layouts as layouts
from support.pictures import greys, small, write_pictures

from scenecode.core.errors import SourceError
from scenecode.slam.sources import open_source
from scenecode.slam.sources.formats import true_trajectory

#: Camera 2 is 0.06 m left of camera 0, camera 1 0.54 m to its right.
OFFSETS = {0: 0.0, 1: 0.54, 2: -0.06, 3: 0.48}
TIMES = (0.0, 0.1037, 0.2074)


def projection(camera, focal=60.0):
    return [focal, 0, 31.5, -focal * OFFSETS[camera], 0, focal, 23.5, 0, 0, 0, 1, 0]


def kitti(root, cameras=(0, 2), labels=True):
    """A sequence whose camera 0 drives 1 m an image ahead, which is the world's x."""
    sequence = root / "sequences" / "07"
    for camera in cameras:
        write_pictures(sequence / f"image_{camera}", [f"{i:06d}.png" for i in range(3)])
    lines = [(f"P{c}: " if labels else "") + " ".join(map(str, projection(c)))
             for c in (range(4) if labels else range(2))]
    (sequence / "calib.txt").write_text("\n".join([*lines, "Tr: " + "0 " * 12 if labels else ""]))
    (sequence / "times.txt").write_text("".join(f"{t:e}\n" for t in TIMES))
    (root / "poses").mkdir()
    (root / "poses" / "07.txt").write_text(
        "".join(f"0 0 1 {i} 0 1 0 0 -1 0 0 0\n" for i in range(3)))
    return sequence


def test_the_left_colour_camera_is_taken_with_its_calibration_and_times(tmp_path, caplog):
    source = open_source(str(kitti(tmp_path)), small(intrinsics=None))
    frames = list(source)
    assert greys(frames) == [10, 20, 30]
    assert [f.timestamp for f in frames] == pytest.approx(TIMES)
    assert (source.original.fx, source.original.cx) == (60, 31.5)
    assert all(f.camera_is_known for f in frames)
    given = open_source(str(tmp_path / "sequences" / "07"), small())
    assert not next(iter(given)).camera_is_known
    assert not caplog.text


@pytest.mark.parametrize("given, camera", [("", 2), ("image_2", 2), ("image_0", 0)])
def test_poses_are_those_of_the_camera_that_is_taken(tmp_path, given, camera):
    sequence = kitti(tmp_path) / given
    positions = true_trajectory(sequence).positions
    # x of the camera, to its right, is -z of the world
    np.testing.assert_allclose(positions, [[i, 0, -OFFSETS[camera]] for i in range(3)], atol=1e-9)
    frames = list(open_source(str(sequence), small(intrinsics=None)))
    np.testing.assert_allclose([f.truth.T_world_cam[:3, 3].numpy() for f in frames], positions)


def test_a_calibration_without_labels_and_poses_next_to_it(tmp_path):
    sequence = kitti(tmp_path, cameras=(0,), labels=False)
    (tmp_path / "poses" / "07.txt").rename(sequence / "poses.txt")
    (sequence / "times.txt").unlink()
    source = open_source(str(sequence), small(intrinsics=None))
    frames = list(source)
    assert source.original.fx == 60
    assert [f.timestamp for f in frames] == pytest.approx([0, 0.1, 0.2])
    assert frames[2].truth.T_world_cam[0, 3] == 2


def test_a_list_of_the_images_next_to_the_calibration_does_not_hide_it(tmp_path):
    sequence = kitti(tmp_path)
    (sequence / "rgb.txt").write_text("0 image_2/000000.png\n")
    assert open_source(str(sequence), small(intrinsics=None)).original.fx == 60


def test_a_missing_calibration_of_the_camera_is_named(tmp_path):
    sequence = kitti(tmp_path, cameras=(2,), labels=False)
    with pytest.raises(SourceError, match="no projection P2.*image_2"):
        open_source(str(sequence), small(intrinsics=None))


def test_a_calibration_of_another_kind_makes_no_sequence(tmp_path):
    write_pictures(tmp_path / "image_0", ["0.png"])
    (tmp_path / "calib.txt").write_text("60 60 31.5 23.5\n")
    options = small(intrinsics=None, calib=tmp_path / "calib.txt")
    source = open_source(str(tmp_path / "image_0"), options)
    assert source.original.fx == 60 and source.fps == 30


def test_flawed_poses_cost_their_truth_only(tmp_path, caplog):
    sequence = kitti(tmp_path)
    (tmp_path / "poses" / "07.txt").write_text("0 0 1 0 0 1 0 0 -1 0 0 0\n1 2 3\n")
    frames = list(open_source(str(sequence), small()))
    assert [f.truth is not None for f in frames] == [True, False, False]
    assert "2 poses for 3 images" in caplog.text and "line 2" in caplog.text


def test_depth_is_that_of_the_laser_scans(tmp_path):
    layouts.write_kitti_odometry(tmp_path)
    options = small(intrinsics=None, width=layouts.WIDTH, height=layouts.HEIGHT)
    frame = next(iter(open_source(str(tmp_path / "sequences" / "00"), options)))
    assert frame.truth.depth[5, [5, 35]].tolist() == [layouts.NEAR, layouts.FAR]
