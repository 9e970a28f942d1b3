"""Videos of rendered rooms, taken through a lens that is known, give that lens."""

import re

import cv2
import numpy as np
import pytest
import torch
from support.rolling_shutter import rolling_walk
from support.walks import Playback

from scenecode.networks.data.rooms import render
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.calibration.recording import calibrate_source
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.rooms import RoomsSource

WIDTH, HEIGHT = 320, 240
FOCAL, LENS = 240.0, (-0.15, 0.03, -0.001, 0.001)


class Filmed:
    """Every third frame of the walk through a room, through the lens k1, k2, p1, p2; the
    principal point is off the middle."""

    is_live, name, fps, unreadable, original = False, "room", 10.0, 0, None

    def __init__(self, seed, frames):
        walk = RoomsSource(seed, 3 * frames, WIDTH, HEIGHT)
        self._room, self._poses, self.length = walk.room, walk.poses[::3], frames
        matrix = np.array([[FOCAL, 0, 163.5], [0, FOCAL, 116.5], [0, 0, 1]])
        grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), -1).reshape(-1, 1, 2)
        ideal = cv2.undistortPointsIter(grid.astype(float), matrix, np.array(LENS), None, None,
                                        (cv2.TERM_CRITERIA_COUNT, 50, 0))[:, 0]
        # an ideal camera that sees more than the lens
        self._camera = PinholeCamera.centred(FOCAL, round(2.1 * FOCAL * np.abs(ideal).max()),
                                             round(2.1 * FOCAL * np.abs(ideal[:, 1]).max()))
        at = FOCAL * ideal + [self._camera.cx, self._camera.cy]
        self._lookup = at.astype(np.float32).reshape(HEIGHT, WIDTH, 2)

    def __iter__(self):
        for n, T_world_cam in enumerate(self._poses):
            image = render(self._room, T_world_cam, self._camera, 1).image
            image = cv2.remap(image, self._lookup, None, cv2.INTER_LINEAR)
            yield Frame(index=n, timestamp=n / self.fps,
                        image=torch.from_numpy(image).permute(2, 0, 1).float() / 255,
                        camera=PinholeCamera.centred(WIDTH, WIDTH, HEIGHT))

    def close(self):
        pass


@pytest.mark.slow
def test_a_walk_through_a_room_gives_the_focal_length_and_distortion_of_its_lens():
    found = calibrate_source(Filmed(3, 75))
    assert found.camera.fx == pytest.approx(FOCAL, rel=0.005)
    assert abs(found.camera.fx - FOCAL) < 3 * found.std["fx"] < 0.05 * FOCAL
    assert found.values["k1"] == pytest.approx(LENS[0], abs=0.005)
    assert found.coverage > 0.9


@pytest.mark.slow
def test_a_rolling_shutter_is_told_from_the_lens():
    frames = [frame for frame, _ in rolling_walk(3, 50, WIDTH, HEIGHT, readout=0.027, fps=10.0)]
    true = frames[0].camera
    found = calibrate_source(Playback(frames))
    assert found.camera.fx == pytest.approx(true.fx, rel=0.01)
    assert (found.camera.cx, found.camera.cy) == pytest.approx((true.cx, true.cy), abs=2)
    milliseconds = re.search(r"row after row in (\d+) ms", found.method)
    assert float(milliseconds[1]) == pytest.approx(27, abs=6)
