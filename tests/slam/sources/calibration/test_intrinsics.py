"""Intrinsics as numbers: how they are written, and which images they can belong to."""

import pytest

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.sources.calibration.image_fit import fit_size
from scenecode.slam.sources.calibration.intrinsics import camera_from_values, parse_intrinsics

#: Of a landscape image of 160x120, with a principal point off the middle and all of a lens.
LANDSCAPE = (131.0, 130.0, 81.0, 57.0, 0.1, -0.2, 0.001, -0.002)


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
    ((260, 260, 160, 120, float("inf"), 0, 0, 0), "finite"),
    ((260, 800, 160, 120), "factor of two"),
])
def test_absurd_intrinsics_are_refused(values, rule):
    with pytest.raises(SourceError, match=rule):
        camera_from_values(values, 320, 240, "intrinsics")


@pytest.mark.parametrize("degrees, expected, distortion", [
    (90, (130, 131, 62, 81), BrownConrady(0.1, -0.2, -0.002, -0.001)),
    (270, (130, 131, 57, 78), BrownConrady(0.1, -0.2, 0.002, 0.001))])
def test_landscape_numbers_are_turned_with_the_picture(degrees, expected, distortion):
    camera = camera_from_values(LANDSCAPE, 120, 160, "intrinsics", degrees)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == expected
    assert (camera.width, camera.height) == (120, 160)
    assert camera.distortion == distortion


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_numbers_of_the_picture_as_it_is_shown_are_kept(degrees):
    camera = camera_from_values((131, 131, 58, 80), 120, 160, "intrinsics", degrees)
    assert (camera.cx, camera.cy) == (58, 80)


@pytest.mark.parametrize("values, size, names", [
    (LANDSCAPE, (120, 160), "landscape image, but these are portrait.*62,81.*57,78"),
    ((131, 131, 59.5, 79.5), (160, 120), "portrait image, but these are landscape"),
    ((1000, 1000, 960, 540), (1080, 1920), "landscape image")])
def test_numbers_of_the_other_orientation_are_refused_with_those_of_the_turned_image(
        values, size, names):
    with pytest.raises(SourceError, match=names):
        camera_from_values(values, *size, "intrinsics")


def test_an_off_centre_principal_point_of_a_crop_is_no_other_orientation():
    assert camera_from_values((300, 300, 130, 105), 320, 240, "intrinsics").cx == 130


def test_a_camera_of_stated_size_is_scaled_and_turned_to_the_images(caplog):
    known = PinholeCamera(525.0, 525.0, 320.0, 240.0, 640, 480)
    assert fit_size(known, 320, 240, "known").fx == 262.5
    turned = fit_size(known, 240, 320, "known", 270)
    assert (turned.cx, turned.cy) == (119.75, 159.25) and not caplog.text
    assert fit_size(known, 240, 320, "known").cx == 119.25
    assert "taken for turned clockwise" in caplog.text
    with pytest.raises(SourceError, match="640x480.*640x360"):
        fit_size(known, 640, 360, "known")
