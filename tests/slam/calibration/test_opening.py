"""Sources that state no camera are opened with the one that their motion shows."""

from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.calibrations import measured_camera

from scenecode.cli.main import main
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.calibration import opening
from scenecode.slam.calibration.opening import open_calibrated
from scenecode.slam.sources import SourceOptions
from scenecode.slam.sources.cameras.webcam import open_webcam

SMALL = SourceOptions(width=32, height=24)
GIVEN = (60.0, 60.0, 31.5, 23.5)


@pytest.fixture
def folder(tmp_path):
    """Pictures of a camera that stands still."""
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    for n in range(14):
        cv2.imwrite(str(tmp_path / f"{n}.png"), image)
    return tmp_path


@pytest.fixture
def measured(monkeypatch):
    """The measurement finds a focal length of 70 pixels and some distortion."""
    def measure(recording, is_focal_stated):
        return measured_camera(replace(recording.original, fx=70.0, fy=70.0,
                                       distortion=BrownConrady(k1=-0.1)))

    monkeypatch.setattr(opening, "measure_camera", measure)


def test_without_intrinsics_the_whole_camera_is_measured(folder, measured, caplog):
    source = open_calibrated(str(folder), SMALL)
    assert source.original.fx == 70 and source.original.distortion.k1 == -0.1
    assert "measured from its motion: focal length 70.0" in caplog.text


def test_distortion_comes_with_the_focal_length_that_belongs_to_it(folder, measured, caplog):
    given = (60.0, 66.0, 31.5, 23.5)
    original = open_calibrated(str(folder), replace(SMALL, intrinsics=given)).original
    assert original.distortion.k1 == -0.1 and "instead of 60.0 px" in caplog.text
    # the ratio of the two focal lengths, and the principal point, are those stated
    assert original.fx == pytest.approx(60 * 70 / 63)
    assert original.fy / original.fx == pytest.approx(1.1) and original.cx == 31.5


@pytest.mark.parametrize("change", [{"measure_lens": False}, {"intrinsics": (*GIVEN, 0, 0, 0, 0)}])
def test_a_stated_lens_is_not_measured_nor_one_that_the_user_leaves(folder, measured, change):
    assert not open_calibrated(str(folder), replace(SMALL, **change)).original.is_distorted


def test_a_still_camera_keeps_the_guess_and_says_why(folder, caplog):
    assert not open_calibrated(str(folder), SMALL).original.is_distorted
    assert "hardly moves" in caplog.text and "keeping a focal length of" in caplog.text


def test_calibrating_a_still_camera_is_an_error_with_the_reason(folder, capsys):
    assert main(["calibrate", str(folder), "--json"]) == 1
    assert "the camera hardly moves" in capsys.readouterr().err


class StillCapture:
    """A camera in front of which nothing moves."""

    def isOpened(self):
        return True

    def get(self, prop):
        return 0.0

    def read(self):
        return True, np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)

    def release(self):
        pass


@pytest.fixture
def webcam(monkeypatch):
    monkeypatch.setattr(opening, "open_source", lambda spec, options: open_webcam(
        int(spec), options, lambda index: StillCapture()))


def test_a_live_camera_is_measured_by_its_first_seconds(webcam, monkeypatch, caplog):
    def calibrate(source, is_enough):
        frame = next(iter(source))
        assert frame.image.shape == (3, 48, 64) and not is_enough(frame, 0.0)
        later = replace(frame, timestamp=frame.timestamp + 60)
        assert is_enough(later, 0.5) and is_enough(frame, 10.0)
        return measured_camera(replace(source.original, fx=70.0, fy=70.0,
                                       distortion=BrownConrady(k1=-0.1)))

    monkeypatch.setattr(opening, "calibrate_source", calibrate)
    with closing(open_calibrated("0", SMALL)) as source:
        frame = next(iter(source))
        assert source.original.fx == 70 and frame.image.shape == (3, 24, 32)
        assert frame.camera.fx > 0.5 * 70 - 1e-6 and not frame.camera.is_distorted
    assert "move it sideways" in caplog.text and "70.0 +- " in caplog.text


def test_a_live_camera_at_rest_keeps_the_guess_and_one_that_is_stated_starts_at_once(
        webcam, monkeypatch, caplog):
    monkeypatch.setattr(opening, "_PATIENCE", 0.0)
    with closing(open_calibrated("0", SMALL)) as source:
        assert "that is a guess" in caplog.text and not source.original.is_distorted
    caplog.clear()
    for options in (replace(SMALL, intrinsics=GIVEN), replace(SMALL, measure_lens=False)):
        open_calibrated("0", options).close()
    assert "measuring" not in caplog.text
