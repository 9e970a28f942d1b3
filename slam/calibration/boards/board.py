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
#: The kinds of boards.
KINDS = ("checkerboard", "charuco", "aprilgrid")
#: Dictionary of the tags of an AprilGrid, and the bits of their black border (Kalibr).
APRILGRID_DICTIONARY, APRILGRID_BORDER_BITS = "DICT_APRILTAG_36h11", 2
#: Corners are located in windows of this part of a marker's side to each side, at least so many
#: pixels, in so many iterations or up to this step in pixels.
_WINDOW, _SMALLEST_WINDOW = 0.12, 3
_REFINEMENT = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 40, 0.01)
#: Corners of a ChArUco board or tags of a grid that an image must show.
_MIN_CHARUCO, _MIN_TAGS = 8, 4


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board of one kind: ``checkerboard``, ``charuco`` or ``aprilgrid``.

    Focal length and distortion follow from the ratios of lengths alone.
    """

    kind: str
    cols: int
    rows: int
    #: edge of a square or of a tag in metres; of the marker in a square, or the gap in tag widths
    square: float
    marker: float = 0.0
    dictionary: str = "DICT_4X4_50"
    #: of a ChArUco board: whether its upper left square is white (OpenCV's legacy pattern)
    first_is_white: bool = False

    def __str__(self) -> str:
        text = f"{self.kind} {self.cols}x{self.rows}"
        if self.kind == "charuco":
            return f"{text} ({self.dictionary}, markers {self.marker / self.square:.2f} squares)"
        return f"{text} (gaps {self.marker:.2f} tags)" if self.kind == "aprilgrid" else text

    def find(self, grey: ndarray) -> tuple[ndarray, ndarray] | None:
        """Board points (N, 3) in metres and where they are in an image (H, W) uint8, pixels
        (N, 2); None where too little of the board is seen."""
        find = {"checkerboard": self._find_checkerboard, "charuco": self._find_charuco,
                "aprilgrid": self._find_aprilgrid}[self.kind]
        return find(grey)

    def charuco(self) -> cv2.aruco.CharucoBoard:
        """OpenCV's board."""
        board = cv2.aruco.CharucoBoard((self.cols, self.rows), self.square, self.marker,
                                       _dictionary(self.dictionary))
        board.setLegacyPattern(self.first_is_white)
        return board

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
        corners, ids = detect_markers(grey, APRILGRID_DICTIONARY, APRILGRID_BORDER_BITS)
        known = ids < self.cols * self.rows
        if known.sum() < _MIN_TAGS:
            return None
        pixels = corners[known].reshape(-1, 2)
        layouts = [self.tag_corners(ids[known], turn, upwards) for turn in range(4)
                   for upwards in (True, False)]
        return min(layouts, key=lambda points: _homography_error(points, pixels)), pixels

    def tag_corners(self, tags: ndarray, turn: int = 2, upwards: bool = True) -> ndarray:
        """(4N, 3) float32: the corners of tags (N,) of an AprilGrid as OpenCV orders them, y
        upwards.

        OpenCV's corners start at its own upper left one.  A tag is drawn turned by ``turn`` times
        90 degrees against OpenCV's, 2 by Kalibr and by the AprilTag library; ``upwards``: tag 0
        is at the lower left, as in Kalibr, not at the upper left.
        """
        pitch = self.square * (1 + self.marker)
        row = tags // self.cols
        at = np.stack([tags % self.cols, row if upwards else self.rows - 1 - row], -1) * pitch
        around = self.square * np.roll([[0, 1], [1, 1], [1, 0], [0, 0]], -turn, axis=0)
        plane = (at[:, None] + around).reshape(-1, 2)
        return np.column_stack([plane, np.zeros(len(plane))]).astype(np.float32)


def detect_markers(grey: ndarray, dictionary: str, border_bits: int = 1
                   ) -> tuple[ndarray, ndarray]:
    """Corners (N, 4, 2) float32 in pixels of the markers of one of OpenCV's dictionaries in an
    image (H, W) uint8, and their ids (N,)."""
    parameters = cv2.aruco.DetectorParameters()
    parameters.markerBorderBits = border_bits
    found, ids, _ = cv2.aruco.ArucoDetector(_dictionary(dictionary), parameters
                                            ).detectMarkers(grey)
    if ids is None:
        return np.zeros((0, 4, 2), np.float32), np.zeros(0, int)
    corners = np.reshape(found, (-1, 4, 2)).astype(np.float32)
    # the detector's own refinement leaves corners of an AprilGrid, which touch, a pixel inside
    side = float(np.median(np.linalg.norm(corners - np.roll(corners, 1, 1), axis=2)))
    window = max(_SMALLEST_WINDOW, round(_WINDOW * side))
    refined = cv2.cornerSubPix(grey, corners.reshape(-1, 1, 2), (window, window), (-1, -1),
                               _REFINEMENT)
    return refined.reshape(-1, 4, 2), np.ravel(ids)


def _homography_error(points: ndarray, pixels: ndarray) -> float:
    """Root mean square distance in pixels (N, 2) from the best image of a plane's points."""
    H, _ = cv2.findHomography(points[:, :2], pixels)
    if H is None:
        return float("inf")
    imaged = cv2.perspectiveTransform(points[None, :, :2], H)[0]
    return float(np.sqrt(np.square(imaged - pixels).sum(1).mean()))


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
    most = dict(zip(KINDS, (2, 4, 3), strict=True))
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
