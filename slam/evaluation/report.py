"""What was measured in a run: counts, speed, memory, and errors where truth is known."""

from collections.abc import Sequence

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


def make_report(recording: Recording, timings: Timings, keyframes: Sequence[KeyframeView],
                graph: KeyframeGraph) -> dict:
    """The contents of ``report.json``.

    ``coverage`` is the share of the source's frames, readable or not, that were tracked;
    times are medians in milliseconds, ``tracking_fps`` the frames per second that tracking
    alone would reach.  ``mapping_lag_ms`` is the longest time from the request for a
    keyframe to the end of the work on it, with tracking going on beside.
    """
    tracked = sum(not entry.lost for entry in recording.tracked)
    frames = recording.frames + recording.unreadable
    report = {
        "frames": frames,
        "tracked": tracked,
        "coverage": tracked / frames if frames else 0.0,
        "keyframes": len(graph),
        "loops": len(graph.loops),
        "lost_spans": recording.lost_spans(),
        "unreadable": recording.unreadable,
        "unusable": list(recording.unusable),
        "tracking_fps": 1 / np.mean(timings.tracking) if timings.tracking else None,
        "keyframe_ms": _median_ms(timings.keyframe),
        "window_iteration_ms": _median_ms(timings.iteration),
        "mapping_lag_ms": max(timings.lag) * 1000 if timings.lag else None,
        "peak_memory_mb": peak_memory_mb() + timings.tracking_memory_mb,
    }
    return report | truth_scores(recording, keyframes, graph)


def truth_scores(recording: Recording, keyframes: Sequence[KeyframeView],
                 graph: KeyframeGraph) -> dict:
    """Errors against ground truth; empty without one, or with too little of it to align."""
    if not recording.truth:
        return {}
    try:
        scores = trajectory_errors(recording.true_trajectory(), recording.final(graph))
    except ResultError:
        # fewer common poses than a similarity needs
        return {}
    truths = [recording.truth_of(keyframe.frame) for keyframe in graph.keyframes]
    classes = graph.keyframes[0].prediction.classes
    maps = evaluate_maps(keyframes, truths, scores["scale"], len(classes))
    return {name: scores[name] for name in _TRAJECTORY_SCORES} | maps


def _median_ms(seconds: list[float]) -> float | None:
    return float(np.median(seconds)) * 1000 if seconds else None
