"""Calibration files of other tools: what each format states, sizes, lenses, and bad files."""

import json
import struct
from math import radians, tan

import pytest

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.distortion import BrownConrady, FieldOfView, KannalaBrandt
from scenecode.slam.sources.calibration.reader import read_calibration

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
OPENCV_XML = """<?xml version="1.0"?>
<opencv_storage>
<image_width>640</image_width>
<image_height>480</image_height>
<camera_matrix type_id="opencv-matrix"><rows>3</rows><cols>3</cols><dt>d</dt>
  <data>
    525. 0. 319.5 0. 526.
    239.5 0. 0. 1.</data></camera_matrix>
<distortion_coefficients type_id="opencv-matrix"><rows>5</rows><cols>1</cols><dt>d</dt>
  <data>1.0e-01 -2.0e-01 1.e-03 2.e-03 5.0e-02</data></distortion_coefficients>
</opencv_storage>
"""
ROS = """image_width: 640
image_height: 480
distortion_model: plumb_bob
camera_matrix: {rows: 3, cols: 3, data: [525, 0, 319.5, 0, 526, 239.5, 0, 0, 1]}
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0.001, 0.002, 0.05]}
"""
ROS_FISHEYE = ROS.replace("plumb_bob", "equidistant").replace(
    "cols: 5, data: [0.1, -0.2, 0.001, 0.002, 0.05]", "cols: 4, data: [0.1, -0.2, 0.03, 0.04]")
ROS_RATIONAL = ROS.replace("plumb_bob", "rational_polynomial").replace("0.05]", "0.05, 1, 2, 3]")
OPENCV_FISHEYE = OPENCV.replace("cols: 5", "cols: 4").replace(
    "1.e-03, 2.e-03, 5.0e-02", ".03, .04") + "fisheye_model: 1\n"
K_AND_D = """distortion_model: fisheye
resolution: [640, 480]
K: [[525, 0, 319.5], [0, 526, 239.5], [0, 0, 1]]
D: [[0.1], [-0.2], [0.03], [0.04]]
"""
OPEN3D = json.dumps({"width": 640, "height": 480,
                     "intrinsic_matrix": [525, 0, 0, 0, 526, 0, 319.5, 239.5, 1]})
ORB_SLAM = """%YAML:1.0
# Camera Parameters. Adjust them!
Camera.fx: 525.0
Camera.fy: 526.0
Camera.cx: 319.5
Camera.cy: 239.5
Camera.k1: 0.1
Camera.k2: -0.2
"""
ORB_SLAM_PINHOLE = ORB_SLAM + "Camera.p1: 0.001\nCamera.p2: 0.002\nCamera.k3: 0.05\n"
ORB_SLAM_K4 = ORB_SLAM + "Camera.k3: 0.03\nCamera.k4: 0.04\n"
ORB_SLAM_3 = ORB_SLAM_K4.replace("Camera.", "Camera1.") \
    + 'Camera.type: "KannalaBrandt8"\nCamera.width: 640\nCamera.height: 480\n'
OPENVSLAM = ORB_SLAM_K4 + 'Camera.model: "fisheye"\nCamera.cols: 640\nCamera.rows: 480\n'
STELLA = """Camera:
  model: "perspective"
  fx: 525.0
  fy: 526.0
  cx: 319.5
  cy: 239.5
  k1: 0.1
  k2: -0.2
  p1: 0.001
  p2: 0.002
  k3: 0.05
  cols: 640
  rows: 480
"""
KALIBR = """cam0:
  camera_model: pinhole
  distortion_coeffs: [0.1, -0.2, 0.03, 0.04]
  distortion_model: equidistant
  intrinsics: [525, 526, 319.5, 239.5]
  resolution: [640, 480]
  rostopic: /cam0/image_raw
cam1:
  camera_model: pinhole
  distortion_coeffs: [0, 0, 0, 0]
  distortion_model: radtan
  intrinsics: [400, 400, 319.5, 239.5]
  resolution: [640, 480]
"""
KALIBR_FOV = KALIBR.replace("[0.1, -0.2, 0.03, 0.04]", "[0.93]").replace("equidistant", "fov")
EUROC = """sensor_type: camera
comment: VI-Sensor cam0 (MT9M034)
T_BS:
  cols: 4
  rows: 4
  data: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
rate_hz: 20
resolution: [640, 480]
camera_model: pinhole
intrinsics: [525, 526, 319.5, 239.5] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: [0.1, -0.2, 0.001, 0.002]
"""
MAST3R_SLAM = """width: 640
height: 480
calibration: [525, 526, 319.5, 239.5, 0.1, -0.2, 0.001, 0.002, 0.05]
"""
KEYS = """fx: 525
fy: 526
cx: 319.5
cy: 239.5
k1: 0.1
k2: -0.2
p1: 0.001
p2: 0.002
k3: 0.05
"""
NERFSTUDIO = json.dumps({"camera_model": "OPENCV", "fl_x": 525, "fl_y": 526, "cx": 320, "cy": 240,
                         "w": 640, "h": 480, "k1": 0.1, "k2": -0.2, "p1": 0.001, "p2": 0.002,
                         "frames": [{"file_path": "images/1.png"}]})
NERFSTUDIO_FISHEYE = json.dumps({"camera_model": "OPENCV_FISHEYE", "frames": 2 * [
    {"fl_x": 525, "fl_y": 526, "cx": 320, "cy": 240, "w": 640, "h": 480, "k1": 0.1, "k2": -0.2,
     "k3": 0.03, "k4": 0.04}]})
COLMAP = """# Camera list with one line of data per camera:
#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]
# Number of cameras: 1
1 OPENCV 640 480 525 526 320 240 0.1 -0.2 0.001 0.002
"""
DSO = "{}\n640 480\ncrop\n640 480\n"
FIVE = BrownConrady(0.1, -0.2, 0.001, 0.002, 0.05)
FOUR = BrownConrady(0.1, -0.2, 0.001, 0.002)
FISHEYE = KannalaBrandt(0.1, -0.2, 0.03, 0.04)
FOV = FieldOfView(0.93)


def write(tmp_path, text, name="camera.txt"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("text, distortion", [
    (OPENCV, FIVE), (OPENCV_XML, FIVE), (ROS, FIVE), (ROS_FISHEYE, FISHEYE),
    (ROS_RATIONAL, BrownConrady(0.1, -0.2, 0.001, 0.002, 0.05, 1, 2, 3)),
    (OPENCV_FISHEYE, FISHEYE), (K_AND_D, FISHEYE), (OPEN3D, BrownConrady()),
    (ORB_SLAM, BrownConrady(0.1, -0.2)), (ORB_SLAM_PINHOLE, FIVE), (ORB_SLAM_K4, FISHEYE),
    (ORB_SLAM_3, FISHEYE), (OPENVSLAM, FISHEYE), (STELLA, FIVE),
    (KALIBR, FISHEYE), (KALIBR_FOV, FOV), (EUROC, FOUR), (MAST3R_SLAM, FIVE), (KEYS, FIVE),
    (NERFSTUDIO, FOUR), (NERFSTUDIO_FISHEYE, FISHEYE), (COLMAP, FOUR),
    ("1 OPENCV_FISHEYE 640 480 525 526 320 240 0.1 -0.2 0.03 0.04\n", FISHEYE),
    ("1 FOV 640 480 525 526 320 240 0.93\n", FOV),
    ("1 PINHOLE 640 480 525 526 320 240\n", BrownConrady()),
    ("1 FULL_OPENCV 640 480 525 526 320 240 0.1 -0.2 0.001 0.002 0.05 1 2 3\n",
     BrownConrady(0.1, -0.2, 0.001, 0.002, 0.05, 1, 2, 3)),
    (DSO.format("Pinhole 525 526 319.5 239.5 0"), BrownConrady()),
    (DSO.format("525 526 319.5 239.5 0"), BrownConrady()),
    (DSO.format("0.8203125 1.0958333333333334 0.5 0.5 0.93"), FOV),
    (DSO.format("FOV 525 526 319.5 239.5 0.93"), FOV),
    (DSO.format("525\t526\t319.5\t239.5 0.1 -0.2 0.001 0.002"), FOUR),
    (DSO.format("RadTan 525 526 319.5 239.5 0.1 -0.2 0.001 0.002"), FOUR),
    (DSO.format("EquiDistant 525 526 319.5 239.5 0.1 -0.2 0.03 0.04"), FISHEYE),
    (DSO.format("KannalaBrandt 525 526 319.5 239.5 0.1 -0.2 0.03 0.04"), FISHEYE),
    ("525 526 319.5 239.5\n", BrownConrady()),
    ("# mine\n525, 526, 319.5, 239.5, 0.1, -0.2, 0.001, 0.002\n", FOUR),
    ("525 526 319.5 239.5 0.1 -0.2 0.001 0.002 0.05  # five\n", FIVE),
    ("525 526 319.5 239.5 0.93\n", FOV), ("0.8203125 1.0958333333333334 0.5 0.5 0.93\n", FOV),
])
def test_each_format_states_the_same_camera(tmp_path, text, distortion):
    camera = read_calibration(write(tmp_path, text), 640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((525, 526, 319.5, 239.5))
    assert camera.distortion == distortion


@pytest.mark.parametrize("line, distortion", [
    ("SIMPLE_PINHOLE 640 480 525 320 240", BrownConrady()),
    ("SIMPLE_RADIAL 640 480 525 320 240 0.1", BrownConrady(k1=0.1)),
    ("RADIAL 640 480 525 320 240 0.1 -0.2", BrownConrady(k1=0.1, k2=-0.2)),
    ("RADIAL_FISHEYE 640 480 525 320 240 0.1 -0.2", KannalaBrandt(k1=0.1, k2=-0.2))])
def test_colmap_models_with_one_focal_length(tmp_path, line, distortion):
    camera = read_calibration(write(tmp_path, f"7 {line}\n"), 640, 480)
    assert (camera.fx, camera.fy, camera.cx) == (525, 525, 319.5)
    assert camera.distortion == distortion


def colmap_binary(*cameras):
    """``cameras.bin`` of (model number, width, height, parameters)."""
    return struct.pack("<Q", len(cameras)) + b"".join(
        struct.pack("<iiQQ", number, model, w, h) + struct.pack(f"<{len(values)}d", *values)
        for number, (model, w, h, values) in enumerate(cameras, 1))


def test_colmap_binary(tmp_path):
    path = tmp_path / "cameras.bin"
    small = (1, 320, 240, (100, 100, 160, 120))
    path.write_bytes(colmap_binary(small, (5, 640, 480, (525, 526, 320, 240, .1, -.2, .03, .04))))
    camera = read_calibration(path, 640, 480)
    assert (camera.fx, camera.cx, camera.distortion) == (525, 319.5, FISHEYE)
    with pytest.raises(SourceError, match="2 cameras, 0 of which"):
        read_calibration(path, 1280, 960)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(SourceError, match="cut off"):
        read_calibration(path, 640, 480)
    path.write_bytes(colmap_binary((10, 640, 480, 12 * (1,))))
    with pytest.raises(SourceError, match="THIN_PRISM_FISHEYE is not supported.*undistort"):
        read_calibration(path, 640, 480)


def test_nerf_files_with_an_angle_only_have_their_principal_point_in_the_middle(tmp_path):
    text = json.dumps({"camera_angle_x": radians(90), "w": 640, "h": 480})
    camera = read_calibration(write(tmp_path, text), 640, 480)
    assert (camera.fx, camera.cx, camera.cy) == (pytest.approx(320), 319.5, 239.5)
    assert tan(radians(45)) == pytest.approx(1)


@pytest.mark.parametrize("text, expected", [
    # of 800x600 images
    (OPENVSLAM.replace("640", "800").replace("480", "600").replace("525", "660")
     .replace("319.5", "399.5").replace("239.5", "299.5"), (211.2, 127.5)),
    ("660 660 399.5 299.5 0\n800 600\nnone\n800 600\n", (211.2, 127.5)),
    (COLMAP, (525 * 0.4, 127.5))])
def test_a_stated_size_rescales_the_camera(tmp_path, text, expected):
    camera = read_calibration(write(tmp_path, text), 256, 192)
    assert (camera.width, camera.height) == (256, 192)
    assert (camera.fx, camera.cx) == pytest.approx(expected)


def test_a_stated_size_of_another_shape_is_refused(tmp_path):
    with pytest.raises(SourceError, match="640x480.*640x360"):
        read_calibration(write(tmp_path, MAST3R_SLAM), 640, 360)


def test_a_stated_size_of_the_other_orientation_turns_the_camera(tmp_path, caplog):
    path = write(tmp_path, ROS)
    camera = read_calibration(path, 480, 640, turned_clockwise=90)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (526, 525, 239.5, 319.5)
    assert (camera.distortion.p1, camera.distortion.p2) == (0.002, -0.001)
    assert not caplog.text
    assert read_calibration(path, 480, 640) == camera and "turned" in caplog.text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", [OPENCV, OPENCV_XML, NERFSTUDIO, "525,526,319.5,239.5\n", COLMAP])
def test_byte_order_marks_and_windows_line_ends_are_read_over(tmp_path, text, encoding):
    path = tmp_path / "camera.txt"
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert read_calibration(path, 640, 480).fx == 525


def test_a_lens_that_is_taken_for_a_fisheye_or_one_camera_of_several_is_announced(
        tmp_path, caplog):
    read_calibration(write(tmp_path, ORB_SLAM_K4), 640, 480)
    assert "k4 without p1 and p2" in caplog.text
    read_calibration(write(tmp_path, KALIBR), 640, 480)
    assert "cam0, cam1; taking cam0" in caplog.text


@pytest.mark.parametrize("text, rule", [
    ("", "empty"),
    ("525 525 319.5\n", "3 numbers"),
    ("525 525 319.5 239.5 0\nnonsense\n", "width height"),
    ("525 525 319.5 239.5 4.0\n640 480\ncrop\n640 480\n", "omega"),
    ("Pinhole 525 525 319.5 239.5 0.9\n640 480\ncrop\n640 480\n", "RadTan"),
    ("FOV 525 525 319.5 239.5 0.1 0.2 0.3 0.4\n640 480\n", "FOV model has 1"),
    ("camera_matrix: [1, 2, 3]\n", "3 numbers, needs 9"),
    (ORB_SLAM.replace("525.0", "wide"), "not a number"),
    (ORB_SLAM_PINHOLE + "Camera.k4: 0.1\n", "state Camera.type"),
    (ORB_SLAM_K4 + "Camera.type: PinHole\n", "k4 0.04 does not go with"),
    (ORB_SLAM + "Camera.model: equirectangular\n", "'equirectangular' is not supported"),
    (KALIBR.replace("pinhole", "omni"), "'omni' is not supported.*pinhole-equi"),
    (KALIBR.replace("equidistant", "none"), "no distortion model"),
    (K_AND_D.replace("distortion_model: fisheye\n", ""), "distortion_model: fisheye"),
    (NERFSTUDIO.replace("OPENCV", "EQUIRECTANGULAR"), "not supported"),
    (NERFSTUDIO_FISHEYE.replace('"fl_x": 525', '"fl_x": 500', 1), "2 different cameras"),
    ("1 OPENCV 640 480 525 526 320 240\n", "8 parameters, got 4"),
    ("1 THIN_PRISM_FISHEYE 640 480 " + 12 * "1 " + "\n", "not supported.*OPENCV_FISHEYE"),
    ("hello: [1\n", "neither numbers nor YAML"),
    ("just words\n", "key: value"),
    ("<a>\n", "not XML"),
    ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "entities"),
    ("resolution: 640\n", "found no camera.*Kalibr.*COLMAP"),
    (OPENCV.replace("5.0e-02 ]", "5.0e-02, 0., 0., 0., 0.3, 0., 0., 0. ]"), "thin-prism"),
])
def test_a_bad_file_is_named_with_the_rule(tmp_path, text, rule):
    path = write(tmp_path, text)
    with pytest.raises(SourceError, match=rule) as error:
        read_calibration(path, 640, 480)
    assert str(path) in str(error.value)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path):
    with pytest.raises(SourceError, match="nowhere.yaml"):
        read_calibration(tmp_path / "nowhere.yaml", 640, 480)
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff\xd8")
    with pytest.raises(SourceError, match="image.png is not a text file"):
        read_calibration(tmp_path / "image.png", 640, 480)
