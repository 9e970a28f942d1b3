"""When the whole map is adjusted: in spare time, after enough of it is new, and at the end."""

from collections.abc import Generator

from scenecode.slam.adjustment.frame_poses import FramePoses
from scenecode.slam.adjustment.global_adjustment import (
    LARGEST_MAP,
    LARGEST_PART,
    GlobalAdjustment,
)
from scenecode.slam.config.mapping import MappingConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.tracking.keyframe_motion import note_motions
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.timings import Timings

#: Keyframes that are added until the whole map is adjusted again, at least, and as a share of the
#: map: so that all adjustments together take a time that is proportional to the map's size.
_ADJUST_AFTER, _ADJUST_AFTER_SHARE = 5, 0.1


class SpareAdjustment:
    """Adjustments of a growing map, one piece at a time.  Owned by the mapping thread."""

    def __init__(self, config: MappingConfig, graph: KeyframeGraph, timings: Timings,
                 recording: Recording, enabled: bool):
        """``graph`` is the map, which is adjusted in place, if that is ``enabled``; ``recording``
        has the frames that its keyframes are among."""
        self._graph, self._timings, self._recording = graph, timings, recording
        self._enabled = enabled and config.global_adjustment and config.landmarks.per_keyframe > 0
        self._adjustment = GlobalAdjustment(config.residuals)
        #: the adjustment that is under way, and keyframes that were added since the last one began
        self._under_way: Generator[None, None, bool] | None = None
        self._added = 0
        #: whether the map was optimised since then, and since one by images began
        self._changed = self._unfinished = False

    def note_added(self) -> None:
        """A keyframe was added."""
        self._added += 1

    def note_optimised(self) -> None:
        """The window was optimised."""
        self._changed = self._unfinished = True

    def note_loop(self) -> None:
        """A loop was closed: the next adjustment is worth while at once."""
        self._added = max(self._added, self._worth_while)

    @property
    def _worth_while(self) -> int:
        return max(_ADJUST_AFTER, round(_ADJUST_AFTER_SHARE * len(self._graph)))

    @property
    def has_work(self) -> bool:
        """Whether ``piece`` has anything to do that is worth while already."""
        return self._under_way is not None \
            or (self._enabled and self._added >= self._worth_while)

    def piece(self, around: int, whole: bool = False, by_images: bool = False) -> bool:
        """Do the next piece of an adjustment: of the ``whole`` map, or where that is large, of
        the keyframes ``around`` one; ``by_images`` as for ``GlobalAdjustment.pieces``.  Returns
        whether it was the last one and has changed the map."""
        if self._under_way is None:
            note_motions(self._graph, self._recording.tracked)
            is_large = len(self._graph) > LARGEST_PART
            self._under_way = self._adjustment.pieces(
                self._graph, around if is_large and not whole else None, by_images)
            self._added, self._changed = 0, False
            self._unfinished = self._unfinished and not by_images
        with self._timings.part("global adjustment"):
            try:
                next(self._under_way)
            except StopIteration as end:
                self._under_way = None
                return bool(end.value)
        return False

    @property
    def is_outdated(self) -> bool:
        """Whether the map was optimised since the last adjustment began."""
        return self._enabled and self._changed

    @property
    def is_unfinished(self) -> bool:
        """Whether the map was optimised since the last adjustment by images began."""
        return self._enabled and self._unfinished

    def frame_poses(self) -> FramePoses | None:
        """Poses of frames in the map as the last adjustment left it; None where it was changed
        since, or was not made by images."""
        adjusted = self._adjustment.adjusted
        if adjusted is None or self._changed or self._under_way is not None:
            return None
        poses = FramePoses(self._graph, adjusted)
        return poses if len(poses) else None

    def complete(self, around: int) -> None:
        """Do all pieces of the adjustment that is under way."""
        while self._under_way is not None:
            self.piece(around)

    def whole(self, around: int, by_images: bool = False) -> None:
        """Adjust the whole map, or where it is very large, the keyframes ``around`` one."""
        self.piece(around, whole=len(self._graph) <= LARGEST_MAP, by_images=by_images)
        self.complete(around)
