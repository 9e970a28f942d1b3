"""Sources opened with the camera that their motion shows, where nothing states it: recordings by
their first part, live cameras by their first seconds.

Uncorrected radial distortion resembles the second-order terms by which rotation and translation
are distinguished: a little of it turns rotation into translation, and makes depth wrong.  A wrong
focal length bends the whole map.
"""

import logging
from contextlib import closing
from dataclasses import replace

from scenecode.core.errors import CalibrationError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.calibration.recording import calibrate_source, shrunk
from scenecode.slam.calibration.result import CalibratedCamera
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources import Source, SourceOptions, open_source
from scenecode.slam.sources.base.source import Recording
from scenecode.slam.sources.cameras.live import LiveCamera
from scenecode.slam.sources.pingpong import PingPongRecording

_log = logging.getLogger(__name__)

#: Every how many-th frame of a recording is looked at, how many at most, and their width at most.
STEP, FRAMES, WIDTH = 2, 200, 640
#: Of a live camera: seconds that are looked at, at most; motion in image widths that is enough;
#: and seconds after which a camera is at rest whose corners have moved by less than the last.
_LIVE_SECONDS, _ENOUGH_MOTION, _PATIENCE, _AT_REST = 15.0, 2.5, 5.0, 0.05
#: Largest relative standard deviation of a focal length that is better than a guess.
_LARGEST_SIGMA = 0.08
#: A shift at the image's edge counts as distortion from so many standard deviations on, and from
#: this fraction of the image width on; one that is larger than the last is a wrong solution.
_SIGNIFICANCE, _SMALLEST_SHIFT, _LARGEST_SHIFT = 2.0, 1e-3, 0.1


def open_calibrated(spec: str, options: SourceOptions) -> Source:
    """``open_source``, with the camera measured from its motion where nothing states it: focal
    length and distortion.  A focal length of a recording that is stated without distortion
    stays within the tolerance of such statements, and changes only together with the
    distortion.  A source that cannot be measured keeps the camera that it was opened with.

    A live camera is measured by its first seconds, which are not given out.
    """
    source = open_source(spec, options)
    if isinstance(source, LiveCamera):
        if options.measure_lens and not source.camera_is_stated:
            _measure_live(source, options)
        return source
    is_stated = options.calib is not None or len(options.intrinsics or ()) > 4
    if not isinstance(source, Recording) or is_stated or source.camera_is_stated \
            or source.original.is_distorted or not options.measure_lens:
        return source
    is_focal_stated = options.intrinsics is not None
    frames = min(FRAMES, -(-(options.max_frames or STEP * FRAMES) // STEP))
    original = source.original
    # corners are located better in larger images, and tracked faster in smaller ones
    width, height = shrunk(original, WIDTH)
    full = replace(options, stride=STEP * options.stride, max_frames=frames, width=width,
                   height=height)
    # images that are played several times are measured once
    played = source.recording if isinstance(source, PingPongRecording) else source
    with closing(played.reopened(full, original)) as recording:
        try:
            found = measure_camera(recording, is_focal_stated)
        except CalibrationError as error:
            _keep(original, error, is_focal_stated)
            return source
    camera = _with_distortion(source, found) if is_focal_stated else _measured(source, found)
    return source if camera is None else source.reopened(options, camera)


def measure_camera(recording: Recording, is_focal_stated: bool) -> CalibratedCamera:
    """The camera of a recording, near its present focal length and at its principal point where
    those are stated; raises ``CalibrationError``."""
    return calibrate_source(recording, is_focal_stated=is_focal_stated)


def _measure_live(source: LiveCamera, options: SourceOptions) -> None:
    """Measure a camera by its first seconds, and have its frames rectified accordingly."""
    original = source.original
    _log.warning("%s: measuring the camera for up to %.0f s: move it sideways past things at "
                 "different distances, and turn it; --calib FILE or --lens as-given start at once",
                 source.name, _LIVE_SECONDS)
    start: float | None = None

    def is_enough(frame: Frame, motion: float) -> bool:
        nonlocal start
        start = frame.timestamp if start is None else start
        seconds = frame.timestamp - start
        return motion > _ENOUGH_MOTION or seconds > _LIVE_SECONDS \
            or (motion < _AT_REST and seconds > _PATIENCE)

    camera = None
    source.rectify(original, *shrunk(original, WIDTH))
    try:
        camera = _measured(source, calibrate_source(source, is_enough=is_enough))
    except CalibrationError as error:
        _keep(original, error, is_focal_stated=False)
    finally:
        source.rectify(camera or original, options.width, options.height)


def _keep(original: PinholeCamera, error: CalibrationError, is_focal_stated: bool) -> None:
    guess = "" if is_focal_stated else "; that is a guess, and the map's shape may be wrong"
    _log.warning("%s; keeping a focal length of %.0f px and no distortion%s", error, original.fx,
                 guess)


def _measured(source: Recording | LiveCamera, found: CalibratedCamera) -> PinholeCamera | None:
    """The whole camera; None where it is not known well enough."""
    camera, sigma = found.camera, found.std["fx"]
    lens = camera.distortion
    if sigma > _LARGEST_SIGMA * camera.fx:
        _log.warning("%s: its motion gives a focal length of %.0f +- %.0f px, too uncertain to "
                     "use; keeping %.0f px", source.name, camera.fx, sigma, source.original.fx)
        return None
    _log.warning("%s: measured from its motion: focal length %.1f +- %.1f px, %s (%s); taking "
                 "that. Where you know better, give --intrinsics or --calib; 'scenecode "
                 "calibrate' measures more slowly", source.name, camera.fx, sigma,
                 _in_words(lens), found.method)
    return camera


def _with_distortion(source: Recording, found: CalibratedCamera) -> PinholeCamera | None:
    """The present camera with the measured distortion and the focal length that belongs to it;
    None where the distortion is not significant."""
    camera = source.original
    lens = found.camera.distortion
    assert isinstance(lens, BrownConrady)
    r = 0.5 * camera.width / camera.fx
    shift = camera.fx * abs(lens.k1 * r ** 3 + lens.k2 * r ** 5)
    if not max(_SIGNIFICANCE * found.edge_sigma, _SMALLEST_SHIFT * camera.width) < shift \
            < _LARGEST_SHIFT * camera.width:
        return None
    change = found.camera.focal / camera.focal
    _log.warning("%s: the lens bends straight lines by %.1f +- %.1f pixels at the edge (%s, focal "
                 "length %.1f instead of %.1f px, from the %s); undoing that. Where you know "
                 "better, give all of --intrinsics fx,fy,cx,cy,k1,k2,p1,p2", source.name, shift,
                 found.edge_sigma, _in_words(lens), change * camera.fx, camera.fx, found.method)
    return replace(camera, fx=change * camera.fx, fy=change * camera.fy, distortion=lens)


def _in_words(lens: object) -> str:
    assert isinstance(lens, BrownConrady)
    return f"k1 {lens.k1:.3f}, k2 {lens.k2:.3f}"
