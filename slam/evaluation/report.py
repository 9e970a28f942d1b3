"""What was measured in a run: counts, speed, memory, and errors where truth is known."""

from collections.abc import Mapping
from typing import TypedDict, cast

from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.runtime.memory import peak_memory_mb
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.timings import LatencyStatistics, Timings


class Latency(TypedDict):
    """Milliseconds."""

    median: float
    #: 99 percent were not longer
    p99: float
    max: float


class Report(TypedDict, total=False):
    """The contents of ``report.json``.

    Empty before the first map update; times are medians in milliseconds, None where nothing was
    timed; errors are absent where the truth is unknown, see
    ``scenecode.slam.evaluation.truth_scorer``.
    """

    #: of the source so far, readable or not
    frames: int
    #: frames whose pose is known
    tracked: int
    #: share of ``frames`` that were tracked
    coverage: float
    keyframes: int
    #: keyframes that were removed, since others show what they showed
    culled: int
    #: requests for a keyframe that a known one answered
    reused: int
    loops: int
    #: [first, last] frame indices of each uninterrupted loss of the pose
    lost_spans: list[list[int]]
    #: index of the first frame that was found in a map that was continued
    relocalised_at: int | None
    #: images that the source could not read
    unreadable: int
    #: indices of frames that no map could start from, or with pixels that are not numbers
    unusable: list[int]
    #: frames per second that tracking alone would reach
    tracking_fps: float | None
    #: insertion of a keyframe
    keyframe_ms: float | None
    window_iteration_ms: float | None
    #: from the request for a keyframe to the end of the work on it
    lag_ms: Latency | None
    #: from the request for a keyframe until its surface is shown and on disk, as it is before the
    #: work on it ends
    output_lag_ms: Latency | None
    #: the largest of ``lag_ms`` while tracking went on
    mapping_lag_ms: float | None
    #: largest resident size of each process, added up
    peak_memory_mb: float
    #: largest resident size of all processes together, as sampled
    resident_mb: float
    ate_m: float
    rotation_deg: float
    zero_motion_ate_m: float
    path_length_m: float
    scale: float
    depth_within_10: float
    depth_within_10_metric: float
    depth_confident_within_10: float
    depth_confident_share: float
    abs_rel: float
    miou: float


def make_report(recording: Recording, timings: Timings, graph: KeyframeGraph,
                scores: Mapping[str, float], resident_mb: float) -> Report:
    """The report of a run as far as it has come, with errors against truth and the largest
    resident size of all processes as given."""
    tracked = int((~recording.tracked["lost"]).sum())
    frames = recording.frames + recording.unreadable
    seconds, lag = timings.tracking.mean, timings.lag.max
    report = Report(
        frames=frames,
        tracked=tracked,
        coverage=tracked / frames if frames else 0.0,
        keyframes=len(graph),
        culled=len(graph.redirects),
        reused=recording.reused,
        loops=len(graph.loops),
        lost_spans=recording.lost_spans(),
        relocalised_at=recording.relocalised_at,
        unreadable=recording.unreadable,
        unusable=list(recording.unusable),
        tracking_fps=1 / seconds if seconds else None,
        keyframe_ms=_milliseconds(timings.keyframe.median),
        window_iteration_ms=_milliseconds(timings.iteration.median),
        lag_ms=_latency(timings.lag),
        output_lag_ms=_latency(timings.output_lag),
        mapping_lag_ms=_milliseconds(lag),
        peak_memory_mb=peak_memory_mb() + timings.tracking_memory_mb,
        resident_mb=max(resident_mb, peak_memory_mb()))
    report.update(cast(Report, scores))     # the names of the scores are keys of it
    return report


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _latency(statistics: LatencyStatistics) -> Latency | None:
    median, p99, longest = statistics.median, statistics.quantile(0.99), statistics.max
    if median is None or p99 is None or longest is None:
        return None
    return Latency(median=1000 * median, p99=1000 * p99, max=1000 * longest)
