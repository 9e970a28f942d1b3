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
#: Keyframes whose features are compared one by one with an image's.  Of more, those with the most
#: alike words: the best one of all was among them for 132 of 133 images, of 1,000 keyframes.
_COMPARED_KEYFRAMES = 80
_WORDS = 1024


class _Vocabulary:
    """Keyframes by the visual words of their features, compared by the cosine of counts that
    rare words weigh more in (Sivic and Zisserman 2003).  Words are sampled descriptors, as it is
    the order of keyframes that counts, not their scores."""

    def __init__(self, descriptors: np.ndarray):
        """``descriptors`` (N, 32), of which the words are."""
        sampled = np.random.default_rng(0).choice(len(descriptors), _WORDS, replace=False)
        self._words = descriptors[sampled]
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        #: (capacity, _WORDS) how often each keyframe has each word
        self._counts = np.zeros((0, _WORDS), np.uint8)

    def set(self, slot: int, descriptors: np.ndarray) -> None:
        """Count the words of the keyframe at a slot."""
        if slot >= len(self._counts):
            grown = np.zeros((max(2 * slot, 64), _WORDS), np.uint8)
            grown[:len(self._counts)] = self._counts
            self._counts = grown
        self._counts[slot] = self._count(descriptors)

    def most_alike(self, descriptors: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """Of keyframes at ``slots`` (K,), the ``_COMPARED_KEYFRAMES`` most alike an image."""
        counts = self._counts[slots]
        rarity = np.log(len(slots) / (1.0 + np.count_nonzero(counts, axis=0))).astype(np.float32)
        known = np.sqrt(counts, dtype=np.float32) * rarity
        image = np.sqrt(self._count(descriptors), dtype=np.float32) * rarity
        # a keyframe without features is like nothing
        likeness = known @ image / np.maximum(np.linalg.norm(known, axis=1), 1e-6)
        return slots[np.argsort(-likeness, kind="stable")[:_COMPARED_KEYFRAMES]]

    def _count(self, descriptors: np.ndarray) -> np.ndarray:
        """(_WORDS,) how often descriptors (N, 32) have each word."""
        nearest = self._matcher.match(descriptors, self._words) if len(descriptors) else ()
        counts = np.bincount([match.trainIdx for match in nearest], minlength=_WORDS)
        return np.minimum(counts, 255).astype(np.uint8)


class PlaceIndex:
    """The strongest features of keyframes, by the keyframes' numbers.  Owned by one thread.

    A candidate has at least ``min_votes`` votes; of candidates whose numbers are within
    ``spacing`` of each other only the best one is given, as neighbours show the same place.
    """

    def __init__(self, min_votes: int, spacing: int = 3):
        self._min_votes = min_votes
        self._spacing = spacing
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
        #: (F, 32) descriptors of each keyframe, and the slot of each in the vocabulary
        self._descriptors: dict[int, np.ndarray] = {}
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        #: made when there are too many keyframes to compare each
        self._vocabulary: _Vocabulary | None = None

    def add(self, number: int, features: Features) -> None:
        """Index the features of a keyframe."""
        descriptors = features.descriptors[:_INDEXED_FEATURES]
        self._descriptors[number] = descriptors
        self._slots[number] = self._free.pop() if self._free else len(self._slots)
        if self._vocabulary is not None:
            self._vocabulary.set(self._slots[number], descriptors)

    def remove(self, number: int) -> None:
        """Forget a keyframe."""
        if self._descriptors.pop(number, None) is not None:
            self._free.append(self._slots.pop(number))

    def candidates(self, features: Features, exclude: Collection[int],
                   max_candidates: int = 3) -> list[int]:
        """Keyframes that look like an image, best first, without those of ``exclude``, whose
        features are not searched."""
        query = features.descriptors[:_QUERY_FEATURES]
        compared = self._compared(features, exclude)
        descriptors = [self._descriptors[number] for number in compared]
        keyframe_of = np.repeat(compared, [len(own) for own in descriptors])
        if len(keyframe_of) < _NEIGHBOURS or not len(query):
            return []
        nearest = self._matcher.knnMatch(query, np.concatenate(descriptors), _NEIGHBOURS)
        voted = [np.unique(keyframe_of[[match.trainIdx for match in matches
                                        if match.distance <= _MAX_DISTANCE]])
                 for matches in nearest]
        numbers, votes = np.unique(np.concatenate(voted), return_counts=True)
        found: list[int] = []
        while len(found) < max_candidates and len(votes) and votes.max() >= self._min_votes:
            best = int(numbers[votes.argmax()])
            found.append(best)
            votes = votes * (np.abs(numbers - best) > self._spacing)
        return found

    def _compared(self, features: Features, exclude: Collection[int]) -> np.ndarray:
        """The keyframes whose features are compared with an image's."""
        excluded = set(exclude)
        numbers = np.array([n for n in self._descriptors if n not in excluded], np.int64)
        if len(numbers) <= _COMPARED_KEYFRAMES:
            return numbers
        if self._vocabulary is None:
            self._vocabulary = _Vocabulary(np.concatenate([*self._descriptors.values()]))
            for number, own in self._descriptors.items():
                self._vocabulary.set(self._slots[number], own)
        slots = np.array([self._slots[number] for number in numbers])
        alike = self._vocabulary.most_alike(features.descriptors[:_INDEXED_FEATURES], slots)
        return numbers[np.isin(slots, alike)]
