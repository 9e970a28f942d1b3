"""Boards that are drawn, projected through a lens, and found again."""

import cv2
import numpy as np
import pytest
import torch

from scenecode.core.errors import CalibrationError, ConfigError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.calibration.boards.board import parse_board
from scenecode.slam.calibration.boards.calibration import calibrate_board
from scenecode.slam.calibration.boards.recognition import recognised_board
from scenecode.slam.records.frame import Frame

CAMERA = PinholeCamera(fx=520.0, fy=524.0, cx=325.0, cy=236.0, width=640, height=480,
                       distortion=BrownConrady(k1=-0.2, k2=0.05))
#: Pixels of a drawn board for a metre.
_SCALE = 2000


class Playback:
    is_live, name, fps, unreadable, original = False, "board", 30.0, 0, None

    def __init__(self, images):
        self.images, self.length = images, len(images)

    def __iter__(self):
        for n, image in enumerate(self.images):
            tensor = torch.from_numpy(np.repeat(image[None], 3, 0)).float() / 255
            yield Frame(index=n, timestamp=n / 30, image=tensor, camera=CAMERA.undistorted())

    def close(self):
        pass


def checkerboard():
    """7x5 inner corners of 3 cm, with a margin."""
    square = round(0.03 * _SCALE)
    cells = np.add.outer(np.arange(6), np.arange(8)) % 2
    picture = np.kron(255 * cells, np.ones((square, square))).astype(np.uint8)
    return np.pad(picture, square, constant_values=255)


def charuco():
    board = parse_board("charuco:7x5:0.03:0.022").charuco()
    return np.pad(board.generateImage((round(0.21 * _SCALE), round(0.15 * _SCALE))), 60,
                  constant_values=255)


def aprilgrid():
    """4x3 tags of 4 cm with gaps of 0.3, as Kalibr draws them: tag 0 at the lower left, bits as
    in the AprilTag library, black squares at the tags' corners."""
    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
    size, gap = 80, 24
    pitch = size + gap
    picture = np.full((3 * pitch + gap + 40, 4 * pitch + gap + 40), 255, np.uint8)
    for tag in range(12):
        left, top = 20 + gap + tag % 4 * pitch, 20 + gap + (2 - tag // 4) * pitch
        marker = cv2.aruco.generateImageMarker(dictionary, tag, size, borderBits=2)
        picture[top:top + size, left:left + size] = np.rot90(marker, 2)
        for x in (left - gap, left + size):
            for y in (top - gap, top + size):
                picture[y:y + gap, x:x + gap] = 0
    return picture


def test_tags_are_drawn_as_the_april_tag_library_does():
    # tag 0 of the family 36h11 is 0xd5d628584, read from the upper left bit on
    picture = aprilgrid()[252:332, 44:124]
    cells = cv2.resize(picture, (10, 10), interpolation=cv2.INTER_AREA)[2:8, 2:8] > 127
    assert int("".join(str(int(bit)) for bit in cells.ravel()), 2) == 0xd5d628584


def seen(picture, turn, shift):
    """A drawn board as the camera takes it, turned by a rotation vector and moved (metres)."""
    grid = CAMERA.pixel_grid(torch.float64).numpy()
    matrix = np.array([[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1.0]])
    lens = CAMERA.distortion
    rays = cv2.undistortPoints(grid[:, None], matrix, np.array([lens.k1, lens.k2, 0, 0]))[:, 0]
    R = cv2.Rodrigues(np.asarray(turn, float))[0]
    H = np.column_stack([R[:, 0], R[:, 1], np.asarray(shift, float)])
    plane = np.linalg.inv(H) @ np.column_stack([rays, np.ones(len(rays))]).T
    at = (plane[:2] / plane[2]).T * _SCALE + np.array(picture.shape[::-1]) / 2
    blurred = cv2.GaussianBlur(picture, (0, 0), 1.2)
    return cv2.remap(blurred, at.astype(np.float32).reshape(480, 640, 2), None, cv2.INTER_LINEAR,
                     borderValue=200)


def views(picture):
    rng = np.random.default_rng(0)
    return [seen(picture, rng.uniform(-0.5, 0.5, 3), rng.uniform([-0.06, -0.05, 0.28],
                                                               [0.06, 0.05, 0.45]))
            for _ in range(16)]


@pytest.mark.slow
@pytest.mark.parametrize("spec, draw", [("checkerboard:7x5:0.03", checkerboard),
                                        ("charuco:7x5:0.03:0.022", charuco),
                                        ("aprilgrid:4x3:0.04:0.3", aprilgrid)])
def test_a_drawn_board_is_recognised_and_gives_the_camera_that_took_it(spec, draw):
    playback, stated = Playback(views(draw())), parse_board(spec)
    board = recognised_board(playback, playback.length)
    assert (board.kind, board.cols, board.rows) == (stated.kind, stated.cols, stated.rows)
    ratio = stated.marker / stated.square if board.kind == "charuco" else stated.marker
    assert board.marker == pytest.approx(ratio, abs=0.02)
    assert board.kind != "charuco" or board.dictionary == "DICT_4X4_50"
    found = calibrate_board(playback, board, lambda count: None)
    assert found.camera.fx == pytest.approx(CAMERA.fx, rel=0.01)
    assert found.camera.fy == pytest.approx(CAMERA.fy, rel=0.01)
    assert found.camera.cx == pytest.approx(CAMERA.cx, abs=5)
    assert found.values["k1"] == pytest.approx(-0.2, abs=0.03)
    assert found.rms < 0.6 and found.std["fx"] > 0 and found.coverage > 0.5


def test_images_without_the_board_are_refused():
    grey = [np.full((480, 640), 128, np.uint8)] * 6
    assert recognised_board(Playback(grey), 6) is None
    with pytest.raises(CalibrationError, match="0 different views"):
        calibrate_board(Playback(grey), parse_board("checkerboard:7x5:0.03"), lambda count: None)


@pytest.mark.parametrize("text", ["", "checkerboard", "checkerboard:9x6", "poster:9x6:0.1",
                                  "checkerboard:9x6:-1", "charuco:5x7:0.04:0.05",
                                  "charuco:5x7:0.04:0.03:DICT_9", "aprilgrid:6x6:x:0.3"])
def test_what_is_no_board_is_refused_with_the_forms(text):
    with pytest.raises(ConfigError, match="checkerboard:COLSxROWS"):
        parse_board(text)
