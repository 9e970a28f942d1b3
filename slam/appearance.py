"""Which older keyframes look like a new one: ORB features, and votes of those that match."""

from dataclasses import dataclass

import cv2
import numpy as np

from slam.config import LoopClosureConfig

#: Older features that each new one votes for.
_NEIGHBOURS = 4
#: Of ORB: steps between its resolutions, their number, the edge left out, the first one, the
#: points a bit compares, and the patch's edge and contrast that suit small images.
_SCALE, _LEVELS, _EDGE, _FIRST, _POINTS, _PATCH, _CONTRAST = 1.2, 4, 15, 0, 2, 21, 10


@dataclass(frozen=True)
class Features:
    """The features of a keyframe, strongest first."""

    #: (N, 2) float32
    pixels: np.ndarray
    #: (N, 32) uint8
    descriptors: np.ndarray


class AppearanceIndex:
    """The features of all keyframes, in their order.  Owned by the mapping thread."""

    def __init__(self, config: LoopClosureConfig):
        self._config = config
        self._orb = cv2.ORB_create(config.features, _SCALE, _LEVELS, _EDGE, _FIRST, _POINTS,
                                   cv2.ORB_HARRIS_SCORE, _PATCH, _CONTRAST)
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        self.features: list[Features] = []

    def add(self, image: np.ndarray) -> None:
        """The grey image (H, W), bytes, of the next keyframe."""
        points, descriptors = self._orb.detectAndCompute(image, None)
        order = np.argsort([-p.response for p in points], kind="stable")
        if not len(order):
            self.features.append(Features(np.zeros((0, 2), np.float32),
                                          np.zeros((0, 32), np.uint8)))
            return
        pixels = np.array([p.pt for p in points], np.float32)
        self.features.append(Features(pixels[order], descriptors[order]))

    def alike(self, number: int, left_out: set[int]) -> list[int]:
        """Keyframes that a keyframe's features vote for, best first; none that is recent."""
        c = self._config
        old = [f.descriptors[:c.indexed] for f in self.features[:max(0, number + 1 - c.min_age)]]
        owner = np.repeat(np.arange(len(old)), [len(d) for d in old])
        asked = self.features[number].descriptors[:c.asked]
        if len(owner) < _NEIGHBOURS or not len(asked):
            return []
        votes = np.zeros(number, np.int64)
        # one matrix: matching against several goes wrong where one has few rows
        for matches in self._matcher.knnMatch(asked, np.concatenate(old), _NEIGHBOURS):
            near = [m.trainIdx for m in matches if m.distance <= c.max_distance]
            votes[np.unique(owner[near])] += 1
        votes[list(left_out)] = 0
        found: list[int] = []
        while len(found) < c.candidates and votes.max() >= c.min_votes:
            best = int(votes.argmax())
            found.append(best)
            votes[max(0, best - c.spacing):best + c.spacing + 1] = 0
        return found

    def matches(self, a: int, b: int) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (M, 2) of a and of b that look alike, and not like their neighbours."""
        c, of_a, of_b = self._config, self.features[a], self.features[b]
        if len(of_a.pixels) < 2 or not len(of_b.pixels):
            return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
        best = [first for first, second in
                self._matcher.knnMatch(of_b.descriptors, of_a.descriptors, 2)
                if first.distance < c.max_ratio * second.distance]
        return (of_a.pixels[[m.trainIdx for m in best]].reshape(-1, 2),
                of_b.pixels[[m.queryIdx for m in best]].reshape(-1, 2))
