"""The dense maps of keyframes, decoded when they are needed and kept for a while."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scenecode.slam.records.snapshot import DenseMaps, KeyframeView, StoredMaps

#: Keyframes whose maps are kept.
KEPT = 96


def entropy_of(probabilities: np.ndarray) -> np.ndarray:
    """(H, W) entropy of class probabilities (C, H, W), from 0 (sure) to 1 (all classes equal)."""
    p = np.maximum(probabilities, 1e-12)
    return (-(p * np.log(p)).sum(0) / np.log(max(len(p), 2))).astype(np.float32)


def largest_entropy(confidence: np.ndarray, classes: int) -> np.ndarray:
    """Entropy, from 0 to 1, where a label has probability ``confidence`` and the others share the
    rest evenly: the largest that is possible when nothing else is known."""
    others = max(classes - 1, 1)
    p = np.clip(confidence, 1e-6, 1 - 1e-6)
    rest = np.maximum((1 - p) / others, 1e-12)
    value = -p * np.log(p) - others * rest * np.log(rest)
    return (value / np.log(max(classes, 2))).astype(np.float32)


@dataclass(frozen=True)
class DecodedMaps:
    """The maps of a keyframe in memory, (H, W)."""

    maps: StoredMaps
    #: (C, H, W) float32, None where they are not known
    probabilities: np.ndarray | None
    #: (H, W) float32 from 0 to 1; the largest possible one where probabilities are not known
    entropy: np.ndarray
    #: (H, W) float32 metres by which depth is off, not a number where the truth is not known; None
    #: where nothing is
    error: np.ndarray | None = None
    #: whether probabilities, if there are any, are here
    is_exact: bool = True


class KeyframeMaps:
    """Decodes the maps of keyframes; the last ``KEPT`` stay in memory.  Any thread may call.

    ``probabilities`` gives (C, H, W) of a keyframe by its frame index, or None; ``error`` (H, W)
    of a keyframe, or None.
    """

    def __init__(self, classes: int,
                 probabilities: Callable[[int], np.ndarray | None] = lambda index: None,
                 error: Callable[[KeyframeView], np.ndarray | None] = lambda view: None):
        self._classes = classes
        self._probabilities, self._error = probabilities, error
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[DenseMaps, DecodedMaps]] = OrderedDict()

    def of(self, view: KeyframeView, exact: bool = True) -> DecodedMaps:
        """The maps of a keyframe; unless ``exact`` probabilities, which are slow to compute, are
        left out where they are not at hand."""
        key = view.frame_index
        with self._lock:
            known = self._kept.get(key)
            if known is not None and known[0] is view.maps \
                    and (known[1].is_exact or not exact):
                self._kept.move_to_end(key)
                return known[1]
        decoded = self._decode(view, exact)
        with self._lock:
            self._kept[key] = view.maps, decoded
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return decoded

    def _decode(self, view: KeyframeView, exact: bool) -> DecodedMaps:
        maps = StoredMaps(image=view.image, depth=view.depth, depth_std=view.depth_std,
                          labels=view.labels, confidence=view.confidence)
        probabilities = self._probabilities(view.frame_index) if exact else None
        entropy = largest_entropy(maps.confidence, self._classes) if probabilities is None \
            else entropy_of(probabilities)
        return DecodedMaps(maps=maps, probabilities=probabilities, entropy=entropy,
                           error=self._error(view), is_exact=exact)
