"""Calibration files of other tools, and intrinsics that cannot be."""

import pytest

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.sources.calibration.files import (
    camera_from_values,
    parse_intrinsics,
    read_calibration,
)

OPENCV = """%YAML:1.0
---
image_width: 640
image_height: 480
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 525., 0., 319.5, 0., 526., 239.5, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 1
   cols: 5
   dt: d
   data: [ 1.0e-01, -2.0e-01, 1.e-03, 2.e-03, 5.0e-02 ]
"""
ORB_SLAM = """%YAML:1.0
# Camera Parameters. Adjust them!
Camera.fx: 535.4
Camera.fy: 539.2
Camera.cx: 320.1
Camera.cy: 247.6
Camera.k1: 0.25
Camera.p1: 0.0
ORBextractor.nFeatures: 1000
"""
MAST3R_SLAM = """width: 1280
height: 720
calibration: [1000.0, 1001.0, 639.5, 359.5, 0.1, 0, 0, 0]
"""
ROS = """image_width: 640
image_height: 480
distortion_model: plumb_bob
camera_matrix: {rows: 3, cols: 3, data: [525, 0, 319.5, 0, 526, 239.5, 0, 0, 1]}
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0.001, 0.002, 0.05]}
"""


def write(tmp_path, text):
    path = tmp_path / "camera.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", [OPENCV, ROS], ids=["opencv", "ros"])
def test_opencv_yaml_gives_matrix_and_lens(tmp_path, text):
    camera = read_calibration(write(tmp_path, text), 640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (525, 526, 319.5, 239.5)
    assert camera.distortion == BrownConrady(0.1, -0.2, 0.001, 0.002, 0.05)


def test_orb_slam_yaml(tmp_path):
    camera = read_calibration(write(tmp_path, ORB_SLAM), 640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (535.4, 539.2, 320.1, 247.6)
    assert camera.distortion == BrownConrady(k1=0.25)


def test_a_stated_size_rescales_the_camera(tmp_path):
    camera = read_calibration(write(tmp_path, MAST3R_SLAM), 640, 360)
    assert (camera.width, camera.height) == (640, 360)
    assert camera.fx == pytest.approx(500)
    # the middle of the image stays the middle
    assert (camera.cx, camera.cy) == pytest.approx((319.5, 179.5))
    assert camera.distortion.k1 == 0.1


def test_a_stated_size_of_another_shape_is_refused(tmp_path):
    with pytest.raises(SourceError, match="1280x720.*640x480"):
        read_calibration(write(tmp_path, MAST3R_SLAM), 640, 480)


@pytest.mark.parametrize("text, k1", [
    ("525 525 319.5 239.5\n", 0), ("# mine\n525, 525, 319.5, 239.5, 0.1, 0, 0, 0\n", 0.1),
    ("525 525 319.5 239.5 0.1 0.2 0 0 0.3  # five\n", 0.1)])
def test_one_line_of_numbers(tmp_path, text, k1):
    camera = read_calibration(write(tmp_path, text), 640, 480)
    assert (camera.fx, camera.cx) == (525, 319.5)
    assert camera.distortion.k1 == k1


@pytest.mark.parametrize("first", [
    "Pinhole 525 525 319.5 239.5 0", "525 525 319.5 239.5 0",
    "Pinhole 0.8203125 1.09375 0.5 0.5 0"], ids=["absolute", "unnamed", "relative"])
def test_dso_files(tmp_path, first):
    camera = read_calibration(write(tmp_path, f"{first}\n640 480\ncrop\n640 480\n"), 640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (525, 525, 319.5, 239.5)
    assert not camera.is_distorted


@pytest.mark.parametrize("text, rule", [
    ("", "empty"),
    ("525 525 319.5\n", "3 numbers"),
    ("525 525 319.5 239.5 0.9\n640 480\ncrop\n640 480\n", "not supported"),
    ("525 525 319.5 239.5 0\nnonsense\n", "width height"),
    ("distortion_model: equidistant\nfx: 1\n", "equidistant.*not supported"),
    ("Camera.type: KannalaBrandt8\n", "not supported"),
    ("camera_matrix: [1, 2, 3]\n", "3 numbers, needs 9"),
    ("Camera.fx: wide\nCamera.fy: 1\nCamera.cx: 1\nCamera.cy: 1\n", "not a number"),
    ("hello: [1\n", "neither numbers nor YAML"),
    ("just words\n", "key: value"),
    ("resolution: 640\n", "found no camera_matrix"),
    (OPENCV.replace("5.0e-02 ]", "5.0e-02, 0.3, 0., 0. ]"), "rational"),
])
def test_a_bad_file_is_named_with_the_rule(tmp_path, text, rule):
    path = write(tmp_path, text)
    with pytest.raises(SourceError, match=rule) as error:
        read_calibration(path, 640, 480)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SourceError, match="nowhere.yaml"):
        read_calibration(tmp_path / "nowhere.yaml", 640, 480)


def test_intrinsics_flag():
    assert parse_intrinsics("525,525,320,240") == (525, 525, 320, 240)
    assert len(parse_intrinsics("525,525,320,240,0.1,0,0,0,0.2")) == 9


@pytest.mark.parametrize("text", ["", "525", "525,525,320", "1,2,3,4,5", "1,2,3,4,5,6,7,8,9,10"])
def test_a_wrong_count_of_intrinsics_is_refused_with_the_form(text):
    with pytest.raises(SourceError, match="fx,fy,cx,cy"):
        parse_intrinsics(text)


def test_intrinsics_that_are_no_numbers():
    with pytest.raises(SourceError, match="wide"):
        parse_intrinsics("525,525,wide,240")


@pytest.mark.parametrize("values, rule", [
    ((525, 525, 320, 240), "made for about 640x480"),   # of an image twice as large
    ((131, 131, 80, 60), "principal point"),            # of one half as large
    ((3, 3, 160, 120), "focal length"),
    ((1e6, 1e6, 160, 120), "focal length"),
    ((-260, -260, 160, 120), "focal length"),
    ((float("nan"), 260, 160, 120), "finite"),
    ((260, 800, 160, 120), "factor of two"),
])
def test_absurd_intrinsics_are_refused(values, rule):
    with pytest.raises(SourceError, match=rule):
        camera_from_values(values, 320, 240, "intrinsics")
