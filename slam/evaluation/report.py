"""What was measured in a run: counts, speed, memory, and errors where truth is known."""

from collections.abc import Mapping, Sequence
from typing import TypedDict, cast

import numpy as np

from scenecode.core.errors import ResultError
from scenecode.slam.evaluation.scores import evaluate_maps, trajectory_errors
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.records.snapshot import KeyframeView
from scenecode.slam.runtime.memory import peak_memory_mb
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.timings import Timings

#: Scores of a trajectory that the report carries.
_TRAJECTORY_SCORES = ("ate_m", "rotation_deg", "zero_motion_ate_m", "path_length_m", "scale")


class Report(TypedDict, total=False):
    """The contents of ``report.json``.

    Empty before the first map update; times are medians in milliseconds, None where nothing was
    timed; errors are absent where the truth is unknown, see ``truth_scores``.
    """

    #: of the source so far, readable or not
    frames: int
    #: frames whose pose is known
    tracked: int
    #: share of ``frames`` that were tracked
    coverage: float
    keyframes: int
    loops: int
    #: [first, last] frame indices of each uninterrupted loss of the pose
    lost_spans: list[list[int]]
    #: images that the source could not read
    unreadable: int
    #: indices of frames that no map could start from, or with pixels that are not numbers
    unusable: list[int]
    #: frames per second that tracking alone would reach
    tracking_fps: float | None
    #: insertion of a keyframe
    keyframe_ms: float | None
    window_iteration_ms: float | None
    #: longest time from the request for a keyframe to the end of the work on it, while tracking
    #: went on
    mapping_lag_ms: float | None
    #: largest resident size, the tracking process included
    peak_memory_mb: float
    ate_m: float
    rotation_deg: float
    zero_motion_ate_m: float
    path_length_m: float
    scale: float
    depth_within_10: float
    abs_rel: float
    miou: float


def make_report(recording: Recording, timings: Timings, graph: KeyframeGraph,
                scores: Mapping[str, float]) -> Report:
    """The report of a run as far as it has come, with errors against truth as given."""
    tracked = int((~recording.tracked["lost"]).sum())
    frames = recording.frames + recording.unreadable
    report = Report(
        frames=frames,
        tracked=tracked,
        coverage=tracked / frames if frames else 0.0,
        keyframes=len(graph),
        loops=len(graph.loops),
        lost_spans=recording.lost_spans(),
        unreadable=recording.unreadable,
        unusable=list(recording.unusable),
        tracking_fps=float(1 / np.mean(timings.tracking)) if timings.tracking else None,
        keyframe_ms=_median_ms(timings.keyframe),
        window_iteration_ms=_median_ms(timings.iteration),
        mapping_lag_ms=max(timings.lag) * 1000 if timings.lag else None,
        peak_memory_mb=peak_memory_mb() + timings.tracking_memory_mb)
    report.update(cast(Report, scores))     # the names of ``truth_scores`` are keys of it
    return report


def truth_scores(recording: Recording, keyframes: Sequence[KeyframeView],
                 graph: KeyframeGraph) -> dict[str, float]:
    """Errors against ground truth, of ``scenecode.slam.evaluation.scores``: ``ate_m``,
    ``rotation_deg``, ``zero_motion_ate_m``, ``path_length_m``, ``scale``, and those of
    ``evaluate_maps``; empty without truth, or with too little of it to align."""
    if not recording.has_truth:
        return {}
    try:
        scores = trajectory_errors(recording.true_trajectory(), recording.final(graph))
    except ResultError:
        # fewer common poses than a similarity needs
        return {}
    truths = [recording.truth_of(keyframe) for keyframe in graph.keyframes.values()]
    classes = graph.keyframes[graph.first].prediction.classes
    maps = evaluate_maps(keyframes, truths, scores["scale"], len(classes))
    return {name: scores[name] for name in _TRAJECTORY_SCORES} | maps


def _median_ms(seconds: list[float]) -> float | None:
    return float(np.median(seconds)) * 1000 if seconds else None
