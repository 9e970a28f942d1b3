"""Place recognition: which keyframes show what an image shows, by votes of ORB matches."""

from collections.abc import Collection

import cv2
import numpy as np

from scenecode.slam.features.orb import Features

#: Nearest indexed features that each feature of an image votes for.
_NEIGHBOURS = 4
#: Of the strongest features: those of an image that vote, and those of a keyframe that are
#: indexed.
_QUERY_FEATURES, _INDEXED_FEATURES = 120, 250
#: Hamming distance, of 256 bits, within which descriptors match.
_MAX_DISTANCE = 64
#: Descriptors that are searched at once at most: OpenCV numbers them with 18 bits.
_BLOCK = 200_000


class PlaceIndex:
    """The strongest features of keyframes, by the keyframes' numbers.  Owned by one thread.

    A candidate has at least ``min_votes`` votes; of candidates whose numbers are within
    ``spacing`` of each other only the best one is given, as neighbours show the same place.
    The search is exhaustive, 0.1 s for 1,000 keyframes.
    """

    def __init__(self, min_votes: int, spacing: int = 3):
        self._min_votes = min_votes
        self._spacing = spacing
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        #: (capacity, 32) descriptors and (capacity,) the keyframe of each; the first ``_used`` are
        #: valid
        self._descriptors = np.zeros((0, 32), np.uint8)
        self._keyframe_of = np.zeros(0, np.int64)
        self._used = 0

    def add(self, number: int, features: Features) -> None:
        """Index the features of a keyframe."""
        new = features.descriptors[:_INDEXED_FEATURES]
        end = self._used + len(new)
        if end > len(self._descriptors):
            capacity = max(2 * len(self._descriptors), end)
            self._descriptors = np.resize(self._descriptors, (capacity, 32))
            self._keyframe_of = np.resize(self._keyframe_of, capacity)
        self._descriptors[self._used:end] = new
        self._keyframe_of[self._used:end] = number
        self._used = end

    def remove(self, number: int) -> None:
        """Forget a keyframe."""
        kept = self._keyframe_of[:self._used] != number
        self._descriptors = self._descriptors[:self._used][kept]
        self._keyframe_of = self._keyframe_of[:self._used][kept]
        self._used = len(self._keyframe_of)

    def candidates(self, features: Features, exclude: Collection[int],
                   max_candidates: int = 3) -> list[int]:
        """Keyframes that look like an image, best first, without those of ``exclude``, whose
        features are not searched."""
        query = features.descriptors[:_QUERY_FEATURES]
        searched = ~np.isin(self._keyframe_of[:self._used], np.array([*exclude], np.int64))
        keyframe_of = self._keyframe_of[:self._used][searched]
        if len(keyframe_of) < _NEIGHBOURS or not len(query):
            return []
        nearest = self._nearest(query, self._descriptors[:self._used][searched])
        voted = [np.unique(keyframe_of[index]) for index in nearest]
        numbers, votes = np.unique(np.concatenate(voted), return_counts=True)
        found: list[int] = []
        while len(found) < max_candidates and len(votes) and votes.max() >= self._min_votes:
            best = int(numbers[votes.argmax()])
            found.append(best)
            votes = votes * (np.abs(numbers - best) > self._spacing)
        return found

    def _nearest(self, query: np.ndarray, descriptors: np.ndarray) -> list[np.ndarray]:
        """For each descriptor of a query, the index of its nearest within ``_MAX_DISTANCE``."""
        blocks = np.array_split(descriptors, -(-len(descriptors) // _BLOCK))
        found: list[list[tuple[float, int]]] = [[] for _ in query]
        start = 0
        for block in blocks:
            # one matrix: matching against several fails where one has fewer rows than neighbours
            for matches, own in zip(self._matcher.knnMatch(query, block, _NEIGHBOURS), found,
                                    strict=True):
                own += [(m.distance, start + m.trainIdx) for m in matches
                        if m.distance <= _MAX_DISTANCE]
            start += len(block)
        return [np.array([index for _, index in sorted(own)[:_NEIGHBOURS]], np.int64)
                for own in found]
