"""Drives of KITTI raw, on tiny ones in their layout."""

import numpy as np
import pytest
from support import data_layouts as layouts

from scenecode.core.errors import DataError, SourceError
from scenecode.slam.sources import SourceOptions, open_source
from scenecode.slam.sources.formats import true_trajectory

OPTIONS = SourceOptions(width=layouts.WIDTH, height=layouts.HEIGHT)


@pytest.mark.parametrize("given", ["", "image_02", "image_02/data"])
def test_a_drive_has_camera_times_poses_and_depth_of_its_sensors(tmp_path, given):
    drive = layouts.write_kitti_inertial(tmp_path)
    source = open_source(str(drive / given), OPTIONS)
    frames = list(source)
    assert source.original.fx == layouts.KITTI_FOCAL
    assert [f.timestamp for f in frames] == pytest.approx([0, 0.1, 0.2, 0.3])
    # x is east, y north, z up; the camera looks ahead
    np.testing.assert_allclose([f.truth.T_world_cam.numpy() for f in frames],
                               [[[1, 0, 0, 0], [0, 0, 1, 2 * n], [0, -1, 0, 0], [0, 0, 0, 1]]
                                for n in range(4)], atol=1e-3)
    np.testing.assert_allclose(true_trajectory(drive).positions[:, 1], [0, 2, 4, 6], atol=1e-3)
    assert frames[0].truth.depth is None  # its scan is lost
    np.testing.assert_allclose(frames[3].truth.depth[5, [5, 35]], [layouts.NEAR, layouts.FAR])


def test_annotated_depth_comes_before_the_scans(tmp_path):
    layouts.write_kitti_depth(tmp_path)
    drive = tmp_path / "2011_09_26" / "2011_09_26_drive_0001_sync"
    frames = list(open_source(str(drive), OPTIONS))
    assert frames[2].truth.depth[5, 5] == 2 * layouts.NEAR


def test_a_drive_with_projected_depth(tmp_path):
    layouts.write_kitti_projected(tmp_path)
    source = open_source(str(tmp_path), OPTIONS)
    assert source.original.fx == layouts.KITTI_FOCAL and source.fps == pytest.approx(10)
    assert next(iter(source)).truth.depth[5, 5] == layouts.NEAR


def test_flawed_truth_and_times_cost_themselves_only(tmp_path, caplog):
    drive = layouts.write_kitti_inertial(tmp_path)
    (drive.parent / "calib_imu_to_velo.txt").unlink()
    (drive / "image_02" / "timestamps.txt").write_text("2011-09-26 13:02:25\nyesterday\n")
    frames = list(open_source(str(drive), OPTIONS))
    assert [f.timestamp for f in frames] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert frames[3].truth.T_world_cam is None and frames[3].truth.depth is not None
    assert "calib_imu_to_velo.txt" in caplog.text and "must hold a date" in caplog.text


def test_what_is_no_single_rectified_drive_is_refused_with_what_to_give(tmp_path):
    drive = layouts.write_kitti_inertial(tmp_path)
    for folder in (tmp_path, drive.parent):
        with pytest.raises(SourceError, match="holds 1 drives; give the folder of one.*_sync"):
            open_source(str(folder), OPTIONS)
    (drive.parent / "calib_cam_to_cam.txt").write_text("S_rect_02: 40 20\n")
    with pytest.raises(DataError, match="calib_cam_to_cam.txt: has no P_rect_02"):
        open_source(str(drive), OPTIONS)
    raw = drive.rename(drive.with_name("2011_09_26_drive_0001_extract"))
    with pytest.raises(SourceError, match="not rectified.*_sync"):
        open_source(str(raw), OPTIONS)
