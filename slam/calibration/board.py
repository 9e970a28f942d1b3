"""Calibration boards, and the corners of one in an image."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy import ndarray

from scenecode.core.errors import ConfigError

#: How a board is written.
BOARD_FORMS = ("checkerboard:COLSxROWS:SQUARE (inner corners, metres), "
               "charuco:COLSxROWS:SQUARE:MARKER[:DICTIONARY] (squares, metres; DICT_4X4_50) or "
               "aprilgrid:COLSxROWS:TAG:GAP (tags 36h11; metres; the gap in tag widths)")
#: Corners of a ChArUco board or tags of a grid that an image must show.
_MIN_CHARUCO, _MIN_TAGS = 8, 4


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board of one kind: ``checkerboard``, ``charuco`` or ``aprilgrid``."""

    kind: str
    cols: int
    rows: int
    #: edge of a square or of a tag in metres; of the marker in a square, or the gap in tag widths
    square: float
    marker: float = 0.0
    dictionary: str = "DICT_4X4_50"

    def find(self, grey: ndarray) -> tuple[ndarray, ndarray] | None:
        """Board points (N, 3) in metres and where they are in an image (H, W) uint8, pixels
        (N, 2); None where too little of the board is seen."""
        find = {"checkerboard": self._find_checkerboard, "charuco": self._find_charuco,
                "aprilgrid": self._find_aprilgrid}[self.kind]
        return find(grey)

    def charuco(self) -> cv2.aruco.CharucoBoard:
        """OpenCV's board."""
        return cv2.aruco.CharucoBoard((self.cols, self.rows), self.square, self.marker,
                                      _dictionary(self.dictionary))

    def _find_checkerboard(self, grey: ndarray) -> tuple[ndarray, ndarray] | None:
        found, corners = cv2.findChessboardCornersSB(grey, (self.cols, self.rows),
                                                     flags=cv2.CALIB_CB_ACCURACY)
        if not found:
            return None
        x, y = np.meshgrid(np.arange(self.cols), np.arange(self.rows))
        points = self.square * np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3)
        return points.astype(np.float32), corners.reshape(-1, 2).astype(np.float32)

    def _find_charuco(self, grey: ndarray) -> tuple[ndarray, ndarray] | None:
        board = self.charuco()
        corners, ids, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(grey)
        if ids is None or len(ids) < _MIN_CHARUCO:
            return None
        points = np.asarray(board.getChessboardCorners())[np.ravel(ids)]
        return points, np.reshape(corners, (-1, 2))

    def _find_aprilgrid(self, grey: ndarray) -> tuple[ndarray, ndarray] | None:
        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        # Kalibr's tags have a border of two bits and black squares at their corners
        parameters.markerBorderBits = 2
        detector = cv2.aruco.ArucoDetector(_dictionary("DICT_APRILTAG_36h11"), parameters)
        corners, ids, _ = detector.detectMarkers(grey)
        known = [] if ids is None else [n for n, tag in enumerate(np.ravel(ids))
                                        if tag < self.cols * self.rows]
        if len(known) < _MIN_TAGS:
            return None
        tags = np.ravel(ids)[known]
        pixels = np.concatenate([np.reshape(corners[n], (4, 2)) for n in known])
        return self.tag_corners(tags), pixels.astype(np.float32)

    def tag_corners(self, tags: ndarray) -> ndarray:
        """(4N, 3) float32: the corners of tags (N,) of an AprilGrid as OpenCV orders them; tag 0
        is at the lower left, as in Kalibr, y upwards."""
        pitch = self.square * (1 + self.marker)
        at = np.stack([tags % self.cols, tags // self.cols], -1) * pitch
        around = self.square * np.array([[0, 1], [1, 1], [1, 0], [0, 0]])
        plane = (at[:, None] + around).reshape(-1, 2)
        return np.column_stack([plane, np.zeros(len(plane))]).astype(np.float32)


def parse_board(text: str) -> Board:
    """What ``--board`` says; ``ConfigError`` that names the forms for anything else."""
    kind, _, rest = text.partition(":")
    parts = rest.split(":")
    try:
        cols, rows = (int(number) for number in parts[0].lower().split("x"))
        lengths = [float(part) for part in parts[1:3]]
        board = Board(kind=kind, cols=cols, rows=rows, square=lengths[0],
                      marker=lengths[1] if kind != "checkerboard" else 0.0,
                      dictionary=parts[3] if len(parts) > 3 else "DICT_4X4_50")
        _check(board, parts)
    except (ValueError, IndexError) as error:
        raise ConfigError(f"--board '{text}': {error}; give {BOARD_FORMS}") from error
    return board


def _check(board: Board, parts: Sequence[str]) -> None:
    most = {"checkerboard": 2, "charuco": 4, "aprilgrid": 3}
    if board.kind not in most:
        raise ValueError(f"'{board.kind}' is no kind of board")
    if len(parts) > most[board.kind]:
        raise ValueError("too many parts")
    if min(board.cols, board.rows) < 2 or not board.square > 0 or board.marker < 0:
        raise ValueError("needs at least 2x2, and lengths above 0")
    if board.kind == "charuco":
        if not 0 < board.marker < board.square:
            raise ValueError("the marker must be smaller than its square")
        if not board.dictionary.startswith("DICT_") or not hasattr(cv2.aruco, board.dictionary):
            raise ValueError(f"OpenCV has no dictionary '{board.dictionary}'")


def _dictionary(name: str) -> cv2.aruco.Dictionary:
    return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, name))
