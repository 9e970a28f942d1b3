"""Which calibration board a video shows: its kind, its size and the ratio of its lengths.

Markers tell where they are on their board by their numbers: every number of columns states cells
for them, and the right one makes all markers squares of one size in the plane of the board.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy import ndarray

from scenecode.core.errors import CalibrationError
from scenecode.optim.imaging import image as imaging
from scenecode.slam.calibration.boards.board import (
    APRILGRID_BORDER_BITS,
    APRILGRID_DICTIONARY,
    KINDS,
    Board,
    detect_markers,
)
from scenecode.slam.features.orb import grey
from scenecode.slam.records.frame import Frame

#: Images that are looked at, at most, and every how many-th of a video of unknown length.
_LOOKS, _STEP = 30, 6
#: Images that must show the same board; after so many no more are looked at.
_AGREEING, _ENOUGH = 3, 6
#: Columns that are tried, and rows at most.
_COLUMNS, _ROWS = range(2, 31), 30
#: Markers that an image must show, and their root mean square distance in cells from squares of
#: the same size, at most.
_MIN_MARKERS, _LARGEST_ERROR = 5, 0.06
#: Markers of a ChArUco board are this part of their squares at least and at most.
_MARKER_SIZES = (0.3, 0.98)
#: Inner corners along the shorter side of a checkerboard, and along the longer, at least.
_SMALLEST_CHECKERBOARD = (3, 4)
#: Sets of markers of ChArUco boards, each as OpenCV's dictionaries of which every one begins with
#: the one before.
_FAMILIES: tuple[tuple[str, ...], ...] = (
    *(tuple(f"DICT_{bits}X{bits}_{count}" for count in (50, 100, 250, 1000))
      for bits in (4, 5, 6, 7)),
    ("DICT_ARUCO_ORIGINAL",), ("DICT_ARUCO_MIP_36h12",), ("DICT_APRILTAG_25h9",),
    ("DICT_APRILTAG_36h10",), ("DICT_APRILTAG_36h11",))


@dataclass(frozen=True, kw_only=True)
class _Arrangement:
    """Markers in the cells of a board."""

    cols: int
    #: the last row that is seen, from 0
    row: int
    #: side of a marker in cells
    size: float
    #: cells from squares of that size
    error: float


#: Cells (N, 2) as column and row of the markers of some numbers (N,), for a number of columns.
_Cells = Callable[[ndarray, int], ndarray]


def recognised_board(frames: Iterable[Frame], length: int | None,
                     kinds: Sequence[str] = KINDS) -> Board | None:
    """The board of one of ``kinds`` that several of ``length`` frames show; None where no board
    is seen.  Its lengths are in squares, or in tags.

    Raises ``CalibrationError`` where markers are seen whose arrangement is that of no board.
    """
    recogniser = _Recogniser(kinds)
    step = _STEP if length is None else max(1, length // _LOOKS)
    for n, frame in enumerate(frames):
        if n >= step * _LOOKS or recogniser.is_certain:
            break
        if n % step == 0:
            recogniser.look(grey(imaging.intensity(frame.image)))
    return recogniser.board()


class _Recogniser:
    def __init__(self, kinds: Sequence[str]):
        self._kinds = kinds
        self._grids: list[Board] = []
        self._checkerboards: list[Board] = []
        #: dictionary, and images in which its markers were seen in no arrangement
        self._unarranged: Counter[str] = Counter()
        self._families = _FAMILIES

    @property
    def is_certain(self) -> bool:
        return max(len(self._grids), len(self._checkerboards)) >= _ENOUGH

    def look(self, image: ndarray) -> None:
        """Look at an image (H, W) uint8."""
        found = self._aprilgrid(image) if "aprilgrid" in self._kinds else None
        if found is None and "charuco" in self._kinds:
            found = self._charuco(image)
        if found is not None:
            self._grids.append(found)
        elif "checkerboard" in self._kinds and not self._grids and not self._unarranged:
            board = _checkerboard(image)
            if board is not None:
                self._checkerboards.append(board)

    def board(self) -> Board | None:
        """What most images showed."""
        # rows may be out of sight, columns are told by the numbers of the markers
        groups: dict[Board, list[Board]] = {}
        for board in self._grids:
            key = replace(board, rows=0, marker=0.0, dictionary="")
            groups.setdefault(key, []).append(board)
        for board in () if self._grids else self._checkerboards:
            groups.setdefault(board, []).append(board)
        alike = max(groups.values(), key=len, default=[])
        if len(alike) >= _AGREEING:
            largest = max(alike, key=lambda board: board.rows)
            return replace(largest, marker=float(np.median([b.marker for b in alike])))
        if sum(self._unarranged.values()) >= _AGREEING:
            name, count = self._unarranged.most_common(1)[0]
            raise CalibrationError(
                f"{count} images show markers of {name}, but not arranged as on a ChArUco board "
                "or an AprilGrid; show more of the board, state it with --board, or calibrate "
                "from the motion by --board none")
        return None

    def _aprilgrid(self, image: ndarray) -> Board | None:
        corners, ids = detect_markers(image, APRILGRID_DICTIONARY, APRILGRID_BORDER_BITS)
        if len(ids) < _MIN_MARKERS:
            return None
        found = _arranged(ids, corners, lambda tags, cols: np.stack(
            [tags % cols, tags // cols], -1))
        if found is None:
            self._unarranged[APRILGRID_DICTIONARY] += 1
            return None
        return Board(kind="aprilgrid", cols=found.cols, rows=max(2, found.row + 1), square=1.0,
                     marker=1 / found.size - 1, dictionary=APRILGRID_DICTIONARY)

    def _charuco(self, image: ndarray) -> Board | None:
        for family in self._families:
            corners, ids = detect_markers(image, family[-1])
            if len(ids) < _MIN_MARKERS:
                continue
            candidates = [(found, white) for white in (False, True) if (
                found := _arranged(ids, corners, _charuco_cells(white))) is not None
                and _MARKER_SIZES[0] < found.size < _MARKER_SIZES[1]]
            if not candidates:
                self._unarranged[family[-1]] += 1
                return None
            found, white = min(candidates, key=lambda c: c[0].error)
            self._families = (family,)
            # in OpenCV, the upper left square is white on boards of even rows only
            rows = max(2, found.row + 1 + (white and found.row % 2 == 0))
            markers = (found.cols * rows + 1) // 2
            name = next((d for d in family if markers <= _marker_count(d)), family[-1])
            return Board(kind="charuco", cols=found.cols, rows=rows, square=1.0,
                         marker=found.size, dictionary=name, first_is_white=white)
        return None


def _charuco_cells(first_is_white: bool) -> _Cells:
    """Markers are in the white squares, row by row."""
    def cells(ids: ndarray, cols: int) -> ndarray:
        y, x = np.divmod(np.arange(cols * _ROWS), cols)
        white = np.flatnonzero((x + y) % 2 == (0 if first_is_white else 1))
        at = white[np.minimum(ids, len(white) - 1)]
        return np.stack([at % cols, at // cols], -1)
    return cells


def _arranged(ids: ndarray, corners: ndarray, cells: _Cells) -> _Arrangement | None:
    """The number of columns for which markers (N, 4, 2) in pixels are squares of one size in the
    cells that their ids (N,) state; None where there is none, or where they tell too little."""
    best = None
    for cols in _COLUMNS:
        at = cells(ids, cols)
        if min(np.ptp(at, axis=0)) < 1 or len(np.unique(at, axis=0)) < len(at):
            continue
        H, _ = cv2.findHomography(corners.mean(1), at.astype(np.float32))
        if H is None:
            continue
        mapped = cv2.perspectiveTransform(corners.reshape(1, -1, 2), H).reshape(-1, 4, 2)
        found = _squares(mapped - at[:, None])
        if found is not None and (best is None or found[1] < best.error):
            best = _Arrangement(cols=cols, row=int(at[:, 1].max()), size=found[0],
                                error=found[1])
    return best if best is not None and best.error < _LARGEST_ERROR else None


def _squares(corners: ndarray) -> tuple[float, float] | None:
    """Side of the squares that corners (N, 4, 2) around their centres are, and how far they are
    off; None for no squares.  Squares may be turned by multiples of 90 degrees, and mirrored."""
    around = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    off = []
    for outline in (around, around[:, ::-1]):
        for turn in range(4):
            turned = np.roll(outline, turn, axis=0)
            side = float((corners * turned).sum((1, 2)).mean() / 2)
            if side > 0:
                error = float(np.sqrt(np.square(corners - side * turned).sum(2).mean()))
                off.append((side, error))
    return min(off, key=lambda one: one[1]) if off else None


def _checkerboard(image: ndarray) -> Board | None:
    shorter, longer = _SMALLEST_CHECKERBOARD
    found, _, meta = cv2.findChessboardCornersSBWithMeta(
        image, (longer, shorter), cv2.CALIB_CB_LARGER | cv2.CALIB_CB_NORMALIZE_IMAGE)
    if not found:
        return None
    cols, rows = max(meta.shape[:2]), min(meta.shape[:2])
    return Board(kind="checkerboard", cols=cols, rows=rows, square=1.0)


def _marker_count(dictionary: str) -> int:
    return len(cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, dictionary)).bytesList)
