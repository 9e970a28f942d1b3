"""Which older keyframes look like a new one: votes of features that match."""

import cv2
import numpy as np

from scenecode.slam.config.slam_config import LoopClosureConfig
from scenecode.slam.features.orb import Features

#: Older features that each new one votes for.
_NEIGHBOURS = 4


class PlaceIndex:
    """The features of all keyframes, in their order.  Owned by the mapping thread."""

    def __init__(self, config: LoopClosureConfig):
        self._config = config
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        self.features: list[Features] = []

    def add(self, features: Features) -> None:
        """Those of the next keyframe."""
        self.features.append(features)

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
