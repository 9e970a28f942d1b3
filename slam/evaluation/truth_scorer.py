"""Errors against ground truth of a map that changes: only keyframes that changed are compared
again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scenecode.core.errors import ResultError
from scenecode.slam.evaluation.scores import (
    KeyframeScores,
    pooled_scores,
    score_keyframe,
    trajectory_errors,
)
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.records.snapshot import DenseMaps, KeyframeView
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.tracking.recording import Recording

#: Scores of a trajectory that a report carries.
_TRAJECTORY_SCORES = ("ate_m", "rotation_deg", "zero_motion_ate_m", "path_length_m", "scale")
#: Relative difference of the alignment's scale by which depths are not compared again yet.
SCALE_TOLERANCE = 0.01


@dataclass(frozen=True)
class _Compared:
    """The scores of a keyframe, and what they are of."""

    maps: DenseMaps
    truth_is_final: bool
    scale: float
    scores: KeyframeScores


class TruthScorer:
    """``ate_m``, ``rotation_deg``, ``zero_motion_ate_m``, ``path_length_m`` and ``scale`` of
    ``scenecode.slam.evaluation.scores.trajectory_errors``, and the scores of ``evaluate_maps``.
    Owned by one thread."""

    def __init__(self, class_count: int):
        self._class_count = class_count
        #: by frame index
        self._compared: dict[int, _Compared] = {}
        #: empty without truth, or with too little of it to align
        self.scores: dict[str, float] = {}

    def update(self, recording: Recording, final: Trajectory, graph: KeyframeGraph,
               views: Mapping[int, KeyframeView]) -> None:
        """Compute ``scores`` exactly: of the ``final`` trajectory and the ``views`` by number."""
        for _ in self.pieces(recording, final, graph, views, 0.0):
            pass

    def pieces(self, recording: Recording, final: Trajectory, graph: KeyframeGraph,
               views: Mapping[int, KeyframeView],
               scale_tolerance: float = SCALE_TOLERANCE) -> Iterator[None]:
        """Do the same in pieces, after which ``scores`` are replaced; the depths of keyframes that
        did not change may be of another scale, within the tolerance."""
        errors = _trajectory_scores(recording, final)
        if not errors:
            self.scores, self._compared = {}, {}
            return
        present, scale = {}, errors["scale"]
        for number, view in views.items():
            keyframe = graph.keyframes[number]
            known = self._compared.get(view.frame_index)
            is_final = _truth_is_final(recording, keyframe)
            if known is None or known.maps is not view.maps or not known.truth_is_final \
                    or abs(known.scale / scale - 1) > scale_tolerance:
                scores = score_keyframe(view, recording.truth_of(keyframe), scale,
                                        self._class_count)
                known = _Compared(maps=view.maps, truth_is_final=is_final, scale=scale,
                                  scores=scores)
                yield
            present[view.frame_index] = known
        self._compared = present
        self.scores = {name: errors[name] for name in _TRAJECTORY_SCORES} \
            | pooled_scores((known.scores for known in present.values()), self._class_count)


def _trajectory_scores(recording: Recording, final: Trajectory) -> dict[str, float]:
    if not recording.has_truth:
        return {}
    try:
        return trajectory_errors(recording.true_trajectory(), final)
    except ResultError:
        # fewer common poses than a similarity needs
        return {}


def _truth_is_final(recording: Recording, keyframe: Keyframe) -> bool:
    """Whether no later measurement can add to what is known about a keyframe's frame."""
    truth = keyframe.stored_truth
    return truth is None or truth.depth is not None or truth.T_world_cam is None \
        or any(measured.timestamp >= keyframe.timestamp for measured in recording.depths[-1:])
