"""Corrections that a user makes, checked against the map that he sees."""

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from scenecode.core.errors import CorrectionError
from scenecode.slam.corrections.correction import (
    KINDS,
    Correction,
    CorrectionKind,
    CorrectionList,
)
from scenecode.slam.corrections.editor import Place
from scenecode.slam.corrections.growing import Surroundings, grow
from scenecode.slam.corrections.regions import Region
from scenecode.slam.records.snapshot import KeyframeView, Snapshot

#: Numbers in a message at most.
_LISTED = 40


class LabelEditing:
    """A ``LabelEditor`` of a map that is given by functions.  For any thread."""

    def __init__(self, snapshot: Callable[[], Snapshot], number_of: Callable[[int], int],
                 changed: Callable[[CorrectionList], None],
                 corrections: CorrectionList = CorrectionList()):
        """``number_of`` gives the number of the keyframe of a frame index, which ``snapshot``
        has; ``changed`` is called with every new list, one call at a time."""
        self._snapshot, self._number_of, self._changed = snapshot, number_of, changed
        self._list = corrections
        self._lock = threading.RLock()

    @property
    def snapshot(self) -> Snapshot:
        return self._snapshot()

    @property
    def corrections(self) -> tuple[Correction, ...]:
        return self._list.entries

    def frame_index_of(self, correction: Correction) -> int:
        for view in self.snapshot.keyframes:
            if self._number_of(view.frame_index) == correction.keyframe:
                return view.frame_index
        raise CorrectionError(f"the keyframe of correction {correction.number} is not shown yet")

    def region(self, frame_index: int, place: Place, radius: float | None = None) -> np.ndarray:
        return self._region(frame_index, place, radius).mask

    def correct(self, frame_index: int, place: Place, class_name: str, *,
                radius: float | None = None, kind: CorrectionKind = "code") -> Correction:
        names = self.snapshot.classes.names
        if class_name not in names:
            raise CorrectionError(f"'{class_name}' is no class of this map; choose one of "
                                  f"{', '.join(names)}")
        if kind not in KINDS:
            raise CorrectionError(f"'{kind}' is no kind of correction; choose one of "
                                  f"{', '.join(KINDS)}")
        region = self._region(frame_index, place, radius)
        with self._lock:
            self._replace(self._list.add(Correction(
                number=0, keyframe=self._number_of(frame_index), region=region,
                label=names.index(class_name), kind=kind, timestamp=time.time())))
            return self._list.entries[-1]

    def undo(self) -> Correction:
        with self._lock:
            changed, correction = self._list.undo()
            self._replace(changed)
        return correction

    def redo(self) -> Correction:
        with self._lock:
            changed, correction = self._list.redo()
            self._replace(changed)
        return correction

    def remove(self, number: int) -> Correction:
        with self._lock:
            changed, correction = self._list.remove(number)
            self._replace(changed)
        return correction

    def _replace(self, corrections: CorrectionList) -> None:
        self._changed(corrections)
        self._list = corrections

    def _region(self, frame_index: int, place: Place, radius: float | None) -> Region:
        view = self._view(frame_index)
        width, height = view.camera.width, view.camera.height
        corners = _corners(place)
        for u, v in corners:
            if not (-0.5 <= u < width - 0.5 and -0.5 <= v < height - 0.5):
                raise CorrectionError(f"pixel ({u:g}, {v:g}) is outside the image; give u from 0 "
                                      f"to {width - 1} and v from 0 to {height - 1}")
        if radius is not None and not 0 < radius <= max(width, height):
            raise CorrectionError(f"a radius of {radius:g} pixels; it must be above 0 and at most "
                                  f"{max(width, height)}")
        if len(corners) > 1:
            region = Region.polygon(corners, width, height)
        elif radius is not None:
            region = Region.disc(corners[0], radius, width, height)
        else:
            return grow(Surroundings.of(view), corners[0])
        if not len(region):
            raise CorrectionError("there is no pixel in this region; give a larger one")
        return region

    def _view(self, frame_index: int) -> KeyframeView:
        views = {view.frame_index: view for view in self.snapshot.keyframes}
        if frame_index not in views:
            known = ", ".join(map(str, sorted(views)[:_LISTED])) or "none"
            more = "" if len(views) <= _LISTED else f" and {len(views) - _LISTED} more"
            raise CorrectionError(f"frame {frame_index} is no keyframe of this map; its keyframes "
                                  f"are {known}{more}")
        return views[frame_index]


def _corners(place: Place) -> Sequence[tuple[float, float]]:
    """The corners of a polygon, or the one pixel; raises ``CorrectionError`` for anything
    else."""
    try:
        points = np.asarray(place, np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise CorrectionError("a place is a pixel (u, v) or a polygon [(u, v), ...] of at least "
                              f"three corners: {error}") from error
    if len(points) in (0, 2) or not np.isfinite(points).all():
        raise CorrectionError("a place is a pixel (u, v) or a polygon of at least three corners, "
                              "all of them numbers")
    return [(float(u), float(v)) for u, v in points]
