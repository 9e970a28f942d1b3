"""What whoever lets a user correct labels calls."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from scenecode.slam.corrections.correction import Correction, CorrectionKind
from scenecode.slam.records.snapshot import Snapshot

#: A pixel (u, v), or the corners of a polygon.
Place = tuple[float, float] | Sequence[tuple[float, float]]


class LabelEditor(Protocol):
    """A map whose labels can be corrected.  Every method raises ``CorrectionError`` for what
    cannot be done."""

    @property
    def snapshot(self) -> Snapshot:
        """The map with its corrections."""
        ...

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """All corrections, oldest first, with those that were undone."""
        ...

    def frame_index_of(self, correction: Correction) -> int:
        """Frame index of the keyframe that a correction is of."""
        ...

    def region(self, frame_index: int, place: Place, radius: float | None = None) -> np.ndarray:
        """(H, W) bool: the pixels of a keyframe that ``correct`` would mean: a disc of a
        ``radius`` in pixels, a polygon, or by default the part of the surface around a pixel that
        looks alike and has one label now."""
        ...

    def correct(self, frame_index: int, place: Place, class_name: str, *,
                radius: float | None = None, kind: CorrectionKind = "code") -> Correction:
        """State the class of a region of a keyframe, chosen as by ``region``."""
        ...

    def undo(self) -> Correction:
        """Undo the last correction that counts."""
        ...

    def redo(self) -> Correction:
        """Make the last one that was undone count again."""
        ...

    def remove(self, number: int) -> Correction:
        """Remove a correction of any number."""
        ...
