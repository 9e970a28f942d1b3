"""How far the depth of keyframes is from the truth, of sources that know it."""

import threading
from collections.abc import Callable

import numpy as np

from scenecode.core.errors import ScenecodeError
from scenecode.slam.records.snapshot import KeyframeView
from scenecode.slam.sources.base.source import IndexedSource, Source


class TrueDepth:
    """Reads the truth of keyframes from the source that they came from.  Any thread may call.

    ``scale`` gives the factor from lengths of the map to true ones, None while it is not known.
    """

    def __init__(self, source: Source, scale: Callable[[], float | None]):
        self._source = source if isinstance(source, IndexedSource) else None
        self._scale = scale
        # sources read one frame at a time
        self._lock = threading.Lock()

    def error(self, view: KeyframeView) -> np.ndarray | None:
        """(H, W) float32 metres by which the depth of a keyframe is off, not a number where the
        truth is not known; None where nothing is."""
        scale = self._scale()
        if self._source is None or scale is None or view.frame_index < 0:
            return None
        with self._lock:
            try:
                truth = self._source.frame(view.frame_index).truth
            except (ScenecodeError, IndexError):
                return None
        if truth is None or truth.depth is None:
            return None
        true = truth.depth.cpu().numpy()
        depth = view.depth * scale
        if true.shape != depth.shape:
            return None
        return np.where(true > 0, np.abs(depth - true), np.nan).astype(np.float32)
