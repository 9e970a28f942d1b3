"""Recordings without a calibration: distortion is measured where there is one, and undone."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from scenecode.core.images import write_rgb
from scenecode.slam.calibration.lens_distortion import (
    MIN_PAIRS,
    measure_distortion,
    open_undistorted,
)
from scenecode.slam.calibration.radial_distortion import undistort
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources import SourceOptions
from scenecode.slam.sources.rooms import RoomsSource


@pytest.fixture(scope="module")
def walk():
    """Every third frame of a walk through a room, 320x240."""
    source = RoomsSource(5, 120, 320, 240)
    return [source.frame(n) for n in range(0, 120, 3)]


def distorted(frame, k):
    """The frame as a camera with radial distortion k (2,) takes it."""
    camera = frame.camera
    grid = camera.rays(camera.pixel_grid())[:, :2].double().numpy()
    ideal = undistort(grid, k) * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    where = ideal.astype(np.float32).reshape(camera.height, camera.width, 2)
    picture = frame.image.permute(1, 2, 0).numpy()
    seen = cv2.remap(picture, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return replace(frame, image=torch.from_numpy(seen).permute(2, 0, 1).contiguous())


@pytest.mark.slow
def test_distortion_of_images_is_measured_and_none_is_found_in_ideal_ones(walk):
    assert measure_distortion(walk) is None
    k = np.array([-0.15, 0.0])
    found = measure_distortion([distorted(frame, k) for frame in walk])
    camera = walk[0].camera
    r = 0.5 * camera.width / camera.fx
    assert found is not None and found.pairs >= MIN_PAIRS
    assert found.k1 * r ** 3 + found.k2 * r ** 5 == pytest.approx(k[0] * r ** 3, rel=0.3)


def test_images_without_motion_measure_nothing(walk):
    assert measure_distortion([walk[0]] * 30) is None
    grey = torch.full_like(walk[0].image, 0.5)
    assert measure_distortion([replace(walk[0], image=grey)] * 30) is None


@pytest.fixture(scope="module")
def recording(walk, tmp_path_factory):
    """A folder of distorted images, each three times: only every third one is looked at."""
    folder = tmp_path_factory.mktemp("recording")
    for n, frame in enumerate(walk):
        image = distorted(frame, np.array([-0.15, 0.0])).image
        pixels = (image.permute(1, 2, 0) * 255).byte().numpy()
        for m in range(3):
            write_rgb(folder / f"{3 * n + m:04d}.png", pixels)
    return folder, walk[0].camera


@pytest.mark.slow
def test_a_recording_is_opened_with_its_distortion_undone(recording, caplog):
    folder, camera = recording
    pinhole = (camera.fx, camera.fy, camera.cx, camera.cy)
    source = open_undistorted(str(folder), SourceOptions(intrinsics=pinhole))
    assert source.original.distortion.k1 < -0.05 and "bends straight lines" in caplog.text
    assert next(iter(source)).image.shape == (3, 192, 256)


@pytest.mark.parametrize("change", [{"measure_lens": False},
                                    {"intrinsics": (296.0, 296.0, 159.5, 119.5, 0, 0, 0, 0)}])
def test_a_stated_lens_is_not_measured_nor_one_that_the_user_leaves_as_it_is(recording, change):
    folder, camera = recording
    options = SourceOptions(intrinsics=(camera.fx, camera.fy, camera.cx, camera.cy))
    source = open_undistorted(str(folder), replace(options, **change))
    assert not source.original.is_distorted


def test_rooms_have_an_ideal_lens():
    assert isinstance(next(iter(open_undistorted("rooms:1:2", SourceOptions()))), Frame)


def test_opening_reports_its_findings_once(tmp_path, caplog):
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(3):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((48, 64, 3), 200 + i, np.uint16))
    open_undistorted(str(folder), SourceOptions())
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == len(set(messages)) == 2  # bits of the images, guessed camera
