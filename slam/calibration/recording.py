"""Self-calibration of what a source gives: tracked at its own size, stated for its originals."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from scenecode.core.errors import CalibrationError, SourceError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.calibration.corner_tracks import track_video
from scenecode.slam.calibration.lens import ACROSS, CX, CY, K1, K2, LOG_F, Lens
from scenecode.slam.calibration.result import CalibratedCamera, scaled_result
from scenecode.slam.calibration.self_calibration import SelfCalibration, self_calibrate
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.source import Recording, Source
from scenecode.slam.sources.cameras.live import LiveCamera
from scenecode.slam.sources.pingpong import PingPongRecording

#: Width of the images in which corners are tracked, at most.
WIDTH = 960
#: Standard deviations, and seconds, beyond which a rolling shutter is worth telling.
_CERTAIN, _LEAST_SHUTTER = 3.0, 0.005


def calibrate_source(source: Source, advance: Callable[[int], None] = lambda count: None,
                     state: Callable[[str], None] = lambda step: None,
                     is_focal_stated: bool = False,
                     is_enough: Callable[[Frame, float], bool] = lambda frame, motion: False
                     ) -> CalibratedCamera:
    """Focal length and distortion of a source's camera from its motion; where
    ``is_focal_stated``, the focal length is that of the source's camera but for a tolerance.

    ``advance`` is called with the number of frames tracked, ``state`` with what is done next;
    frames after the first of which ``is_enough`` (see ``track_video``) are not taken.  Raises
    ``CalibrationError`` where the images do not tell.
    """
    tracks = track_video(source, advance, is_enough)
    if tracks is None:
        raise CalibrationError(f"{source.name}: no frames to calibrate from")
    try:
        stated = _ideal_lens(source, tracks.size) if is_focal_stated else None
        found = self_calibrate(tracks, state, stated)
    except CalibrationError as error:
        raise CalibrationError(f"{source.name}: {error}") from error
    sigma = {"fx": found.lens.focal * found.sigma[LOG_F], "fy": found.lens.focal
             * found.sigma[LOG_F], "cx": found.sigma[CX], "cy": found.sigma[CY],
             "k1": found.sigma[K1], "k2": found.sigma[K2], "p1": 0.0, "p2": 0.0}
    width, height = tracks.size
    original = source.original or PinholeCamera(
        fx=width, fy=width, cx=0.5 * width, cy=0.5 * height, width=width, height=height)
    pixels, residuals = found.observations()
    motion = "turns of the camera" if found.only_rotates else "motion of the camera"
    return scaled_result(found.lens.camera(width, height), sigma, found.rms,
                         f"{motion}: {len(pixels)} observations in "
                         f"{sum(len(s.t) for s in found.segments)} keyframes of "
                         f"{tracks.frame_count} frames{_shutter_in_words(found)}", pixels,
                         residuals, original.width, original.height, found.edge_sigma)


def _shutter_in_words(found: SelfCalibration) -> str:
    """That of a rolling shutter, where it is certain."""
    return "".join(f", {way} after {way} in {1e3 * abs(seconds):.0f} ms"
                   for way, seconds, sigma in zip(("column", "row"), found.lens.shutter,
                                                  found.sigma[ACROSS:], strict=True)
                   if abs(seconds) > max(_CERTAIN * sigma, _LEAST_SHUTTER))


def _ideal_lens(source: Source, size: tuple[int, int]) -> Lens | None:
    """Focal length and principal point of a recording, for images of ``size``."""
    if source.original is None:
        return None
    camera = source.original.resized(*size)
    return Lens.without_distortion(camera.focal, camera.cx, camera.cy)


def shrunk(camera: PinholeCamera, width: int) -> tuple[int, int]:
    """Width and height of a camera's images, at most so wide."""
    factor = min(1.0, width / camera.width)
    return round(factor * camera.width), round(factor * camera.height)


@contextmanager
def as_recorded(source: Source, options: SourceOptions) -> Iterator[Source]:
    """The images of a source as they were taken, at most ``WIDTH`` pixels wide, once."""
    if isinstance(source, LiveCamera):
        source.rectify(source.original.undistorted(), *shrunk(source.original, WIDTH))
    if not isinstance(source, Recording):
        yield source
        return
    original = source.original.undistorted()
    width, height = shrunk(original, WIDTH)
    full = replace(options, width=width, height=height)
    # images that are played several times are measured once
    played = source.recording if isinstance(source, PingPongRecording) else source
    try:
        reopened = played.reopened(full, original)
    except ValueError as error:
        raise SourceError(f"{source.name}: {error}") from error
    with closing(reopened) as recording:
        yield recording
