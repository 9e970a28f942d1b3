"""EuRoC folders: nanoseconds, the camera's file, and truth of the body turned into truth of the
camera."""

import numpy as np
import pytest
from support.pictures import greys, small, write_pictures

from scenecode.slam.sources import open_source
from scenecode.slam.sources.formats import true_trajectory

FIRST = 1403636579763555584
STAMPS = [FIRST + 50_000_000 * i for i in range(3)]
#: The camera looks along the body's x axis, 0.1 m above its origin.
T_BODY_CAM = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0.1], [0, 0, 0, 1.0]])
SENSOR = """%YAML:1.0
# General sensor definitions.
sensor_type: camera
T_BS:
  cols: 4
  rows: 4
  data: [{values}]
rate_hz: 20
resolution: [64, 48]
camera_model: pinhole
intrinsics: [61.0, 62.0, 31.0, 24.0] #fu, fv, cu, cv
distortion_model: {model}
distortion_coefficients: [-0.28, 0.07, 0.0002, 1.8e-05]
"""


def euroc(root, model="radial-tangential"):
    camera = root / "mav0" / "cam0"
    write_pictures(camera / "data", [f"{t}.png" for t in STAMPS])
    (camera / "data.csv").write_bytes(
        b"#timestamp [ns],filename\r\n" + b"".join(b"%d,%d.png\r\n" % (t, t) for t in STAMPS))
    values = ", ".join(str(v) for v in T_BODY_CAM.ravel())
    (camera / "sensor.yaml").write_text(SENSOR.format(values=values, model=model))
    truth = root / "mav0" / "state_groundtruth_estimate0"
    truth.mkdir()
    # at 200 Hz the body flies along x, and has turned by 90 degrees about z at the second image
    half = np.sqrt(0.5)
    lines = [f"{FIRST + 5_000_000 * i},{i / 10},2,3,{half if 8 <= i < 18 else 1},0,0,"
             f"{half if 8 <= i < 18 else 0},0,0,0,0,0,0,0,0,0" for i in range(25)]
    (truth / "data.csv").write_text("#timestamp, p_RS_R_x [m], ...\n" + "\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("given", [".", "mav0", "mav0/cam0"])
def test_it_opens_from_every_level_with_times_camera_and_truth(tmp_path, caplog, given):
    source = open_source(str(euroc(tmp_path) / given), small(intrinsics=None))
    frames = list(source)
    assert greys(frames) == pytest.approx([10, 20, 30], abs=1)
    assert source.fps == pytest.approx(20, rel=1e-4)
    assert [f.timestamp for f in frames] == pytest.approx([t / 1e9 for t in STAMPS], abs=1e-6)
    assert (source.original.fx, source.original.cy) == (61, 24)
    assert source.original.distortion.k1 == -0.28
    np.testing.assert_allclose(frames[0].truth.T_world_cam[:3, 3], [0, 2, 3.1], atol=1e-9)
    np.testing.assert_allclose(frames[1].truth.T_world_cam[:3, 3], [1, 2, 3.1], atol=1e-9)
    # ahead is x of the world at first, then y
    np.testing.assert_allclose(frames[0].truth.T_world_cam[:3, 2], [1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(frames[1].truth.T_world_cam[:3, 2], [0, 1, 0], atol=1e-9)
    assert not caplog.text


def test_its_truth_is_found_by_evaluation(tmp_path):
    trajectory = true_trajectory(euroc(tmp_path))
    assert trajectory.positions[:, 0].tolist() == pytest.approx([0, 1, 2])
    assert trajectory.timestamps == pytest.approx([t / 1e9 for t in STAMPS], abs=1e-6)


def test_fisheye_cameras_are_read(tmp_path):
    source = open_source(str(euroc(tmp_path, "equidistant")), small(intrinsics=None))
    assert source.original.distortion.is_wide_angle


def test_without_a_list_the_names_are_the_times(tmp_path):
    (euroc(tmp_path) / "mav0" / "cam0" / "data.csv").unlink()
    frames = list(open_source(str(tmp_path), small()))
    assert [f.timestamp for f in frames] == pytest.approx([t / 1e9 for t in STAMPS], abs=1e-6)


def test_without_the_place_of_the_camera_there_is_no_true_pose(tmp_path, caplog):
    sensor = euroc(tmp_path) / "mav0" / "cam0" / "sensor.yaml"
    sensor.write_text(sensor.read_text().replace("T_BS", "T_XX"))
    assert all(f.truth is None for f in open_source(str(tmp_path), small()))
    assert "no T_BS" in caplog.text
