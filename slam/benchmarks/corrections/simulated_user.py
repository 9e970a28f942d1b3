"""A user who knows the truth and clicks into the largest region that is labelled wrongly."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

#: Pixels around a click in which the same user does not click again.
_SAME_PLACE = 6


@dataclass(frozen=True)
class Click:
    """The class that a user states at a pixel."""

    keyframe: int
    at: tuple[float, float]
    label: int
    #: pixels of the wrong region that it is in
    wrong_pixels: int


class SimulatedUser:
    """Chooses clicks one by one, never twice at the same place."""

    def __init__(self, truth: Mapping[int, np.ndarray], classes: int):
        """``truth``: by keyframe, (H, W) class ids, those from ``classes`` on are unknown."""
        self._truth, self._classes = truth, classes
        self._clicked: list[Click] = []

    def click(self, labels: Mapping[int, np.ndarray]) -> Click | None:
        """The innermost pixel of the largest connected region, over all keyframes, that is of one
        true class and labelled otherwise; None when there is none left."""
        candidates = [(pixels, keyframe, label, number, parts)
                      for keyframe, truth in self._truth.items()
                      for label in range(self._classes)
                      for number, pixels, parts in _wrong_regions(truth, labels[keyframe], label)]
        for pixels, keyframe, label, number, parts in sorted(
                candidates, key=lambda candidate: -candidate[0]):
            inside = np.pad(parts == number, 1).astype(np.uint8)
            depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
            v, u = np.unravel_index(int(depth.argmax()), depth.shape)
            click = Click(keyframe=keyframe, at=(float(u), float(v)), label=label,
                          wrong_pixels=pixels)
            if not any(_is_same_place(click, other) for other in self._clicked):
                self._clicked.append(click)
                return click
        return None


def _wrong_regions(truth: np.ndarray, labels: np.ndarray,
                   label: int) -> list[tuple[int, int, np.ndarray]]:
    """Number, pixels and map (H, W) of numbers of the connected wrong regions of a class; of one
    image only the largest one can be the largest of all, and others are few."""
    wrong = ((truth == label) & (labels != label)).astype(np.uint8)
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(wrong, connectivity=4)
    sizes = statistics[1:, cv2.CC_STAT_AREA]
    return [(1 + int(n), int(sizes[n]), parts) for n in np.argsort(-sizes)[:3] if count > 1]


def _is_same_place(a: Click, b: Click) -> bool:
    return a.keyframe == b.keyframe and a.label == b.label \
        and bool(np.hypot(a.at[0] - b.at[0], a.at[1] - b.at[1]) < _SAME_PLACE)
