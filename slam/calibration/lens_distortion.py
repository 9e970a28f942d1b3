"""The distortion of a recording's lens, measured from its images where no calibration states it.

The image motion that uncorrected radial distortion causes resembles the second-order terms by
which rotation and translation are distinguished: a little of it turns rotation into translation,
and makes depth wrong.
"""

import logging
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.calibration.frame_pairs import collect_pairs
from scenecode.slam.calibration.radial_distortion import MeasuredDistortion, estimate
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources import Source, SourceOptions, open_source
from scenecode.slam.sources.base.source import Recording
from scenecode.slam.sources.pingpong import PingPongRecording

_log = logging.getLogger(__name__)

#: Every how many-th frame of a recording is looked at, how many at most, and their width at most.
STEP, FRAMES, WIDTH = 3, 170, 640
#: Frame pairs that a measurement needs.
MIN_PAIRS = 8
#: A shift at the image's edge counts as distortion from so many standard deviations on, and from
#: this fraction of the image width on; one that is larger than the last is a wrong solution.
_SIGNIFICANCE = 2.0
_SMALLEST_SHIFT = 1e-3
_LARGEST_SHIFT = 0.1


def open_undistorted(spec: str, options: SourceOptions) -> Source:
    """``open_source``, with the distortion of a recording's lens measured and undone where no
    calibration states it."""
    source = open_source(spec, options)
    is_stated = options.calib is not None or len(options.intrinsics or ()) > 4
    if not isinstance(source, Recording) or is_stated or source.camera_is_stated \
            or source.original.is_distorted or not options.measure_lens:
        return source
    original = source.original
    frames = min(FRAMES, -(-(options.max_frames or STEP * FRAMES) // STEP))
    # corners are located better in larger images, and tracked faster in smaller ones
    shrink = min(1.0, WIDTH / original.width)
    full = replace(options, stride=STEP * options.stride, max_frames=frames,
                   width=round(shrink * original.width), height=round(shrink * original.height))
    # images that are played several times are measured once
    played = source.recording if isinstance(source, PingPongRecording) else source
    with closing(played.reopened(full, original)) as recording:
        found = measure_distortion(recording)
    if found is None:
        return source
    _log.warning("%s: the lens bends straight lines by %.1f +- %.1f pixels at the edge of %d "
                 "(k1 %.3f, k2 %.3f, from %d pairs of frames); undoing that. Where you know "
                 "better, give all of --intrinsics fx,fy,cx,cy,k1,k2,p1,p2", source.name,
                 found.shift, found.sigma, full.width, found.k1, found.k2, found.pairs)
    lens = BrownConrady(k1=found.k1, k2=found.k2)
    return source.reopened(options, replace(original, distortion=lens))


def measure_distortion(frames: Iterable[Frame]) -> MeasuredDistortion | None:
    """The distortion of frames that were taken for undistorted; None where it is not significant,
    or the camera moves too little to tell."""
    pairs, camera = collect_pairs(frames)
    if camera is None or len(pairs) < MIN_PAIRS:
        return None
    found = estimate(pairs, camera)
    significant = found.shift > max(_SIGNIFICANCE * found.sigma, _SMALLEST_SHIFT * camera.width)
    return found if significant and found.shift < _LARGEST_SHIFT * camera.width else None
