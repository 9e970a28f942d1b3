"""Place recognition: which older keyframes show what a new one shows, by votes of ORB matches."""

import cv2
import numpy as np

from scenecode.slam.features.orb import Features

#: Nearest older features that each feature of the new keyframe votes for.
_NEIGHBOURS = 4
#: Of a keyframe's strongest features: those that vote, and those that are voted for.
_QUERY_FEATURES, _INDEXED_FEATURES = 120, 250
#: Hamming distance, of 256 bits, within which descriptors match.
_MAX_DISTANCE = 64


class PlaceIndex:
    """The features of all keyframes, in their order.  Owned by the mapping thread.

    A candidate is at least ``min_age`` keyframes older and has at least ``min_votes`` votes; of
    candidates within ``spacing`` keyframes of each other only the best one counts, and at most
    ``max_candidates`` are given.
    """

    def __init__(self, min_age: int, min_votes: int, max_candidates: int = 3, spacing: int = 3):
        self._min_age = min_age
        self._min_votes = min_votes
        self._max_candidates = max_candidates
        self._spacing = spacing
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        self._features: list[Features] = []

    def add(self, features: Features) -> None:
        """Append those of the next keyframe."""
        self._features.append(features)

    def candidates(self, number: int, excluded: set[int]) -> list[int]:
        """Older keyframes that look like a keyframe, best first, without those ``excluded``."""
        old = [f.descriptors[:_INDEXED_FEATURES]
               for f in self._features[:max(0, number + 1 - self._min_age)]]
        keyframe_of = np.repeat(np.arange(len(old)), [len(d) for d in old])
        query = self._features[number].descriptors[:_QUERY_FEATURES]
        if len(keyframe_of) < _NEIGHBOURS or not len(query):
            return []
        votes = np.zeros(number, np.int64)
        # one matrix: matching against several fails where one has fewer rows than neighbours
        for matches in self._matcher.knnMatch(query, np.concatenate(old), _NEIGHBOURS):
            near = [m.trainIdx for m in matches if m.distance <= _MAX_DISTANCE]
            votes[np.unique(keyframe_of[near])] += 1
        votes[list(excluded)] = 0
        found: list[int] = []
        while len(found) < self._max_candidates and votes.max() >= self._min_votes:
            best = int(votes.argmax())
            found.append(best)
            votes[max(0, best - self._spacing):best + self._spacing + 1] = 0
        return found
