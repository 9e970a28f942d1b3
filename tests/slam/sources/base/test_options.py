"""Options, and the camera that follows from them."""

import logging

import numpy as np
import pytest
from support.pictures import small, write_pictures

from scenecode.core.errors import SourceError
from scenecode.slam.sources import open_source


@pytest.mark.parametrize("changes", [
    {"calib": "file.yaml"}, {"fps": 0}, {"fps": float("nan")}, {"max_frames": 0}, {"stride": 0}])
def test_options_that_no_source_can_follow(changes):
    with pytest.raises(SourceError, match=next(iter(changes)).replace("calib", "calibration")):
        small(**changes)


def test_without_intrinsics_a_guess_is_announced_with_the_cure(tmp_path, caplog):
    write_pictures(tmp_path, ["0.png"])
    with caplog.at_level(logging.WARNING):
        frame = next(iter(open_source(str(tmp_path), small(intrinsics=None))))
    assert "--intrinsics" in caplog.text and "60 degrees" in caplog.text
    # 60 degrees over 32 pixels
    assert frame.camera.fx == pytest.approx(16 / np.tan(np.radians(30)))
    assert frame.camera.cx == pytest.approx(15.5)


def test_given_intrinsics_are_not_announced_as_a_guess(tmp_path, caplog):
    write_pictures(tmp_path, ["0.png"])
    camera = next(iter(open_source(str(tmp_path), small()))).camera
    assert (camera.fx, camera.cx, camera.width) == (30, 15.5, 32)
    assert not caplog.text


def test_intrinsics_of_another_image_size_are_refused(tmp_path):
    write_pictures(tmp_path, ["0.png"])
    with pytest.raises(SourceError, match="principal point.*320"):
        open_source(str(tmp_path), small(intrinsics=(525, 525, 320, 240)))


def test_a_calibration_file_is_used(tmp_path):
    write_pictures(tmp_path, ["0.png"])
    (tmp_path / "camera.txt").write_text("70 70 31.5 23.5")
    options = small(intrinsics=None, calib=tmp_path / "camera.txt")
    assert next(iter(open_source(str(tmp_path), options))).camera.fx == 35
