"""Options of a source, and the camera of its images that follows from them."""

import logging
from dataclasses import dataclass
from math import inf, radians, tan
from pathlib import Path

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.sources.calibration.image_fit import check_plausible, fit_size
from scenecode.slam.sources.calibration.intrinsics import camera_from_values
from scenecode.slam.sources.calibration.reader import read_calibration

#: Frames per second of images that carry no time.
DEFAULT_FPS = 30.0
#: Horizontal field of view that is assumed when nothing is known: a typical webcam's.
GUESSED_FIELD_OF_VIEW_DEG = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """How a source is read; the same options for every kind.

    Raises ``SourceError`` for values outside their range, and for two calibrations.
    """

    #: fx, fy, cx, cy[, k1, k2, p1, p2[, k3]] in pixels of the original image
    intrinsics: tuple[float, ...] | None = None
    #: calibration file, see ``scenecode.slam.sources.calibration.reader``
    calib: str | Path | None = None
    #: frames per second of a source without stamps; None for what a video states, or 30
    fps: float | None = None
    #: size of the frames given out, the network's
    width: int = 256
    height: int = 192
    #: at most so many frames are given out
    max_frames: int | None = None
    #: every how many-th image is taken
    stride: int = 1
    #: stored steps of one metre of true depth; None: what the folder or the data set states
    depth_scale: float | None = None
    #: metres of the camera over level ground, which then set the scale of the map; None: what the
    #: data set states
    camera_height: float | None = None
    #: whether ``scenecode.slam.calibration`` may measure a camera that nobody states
    measure_lens: bool = True

    def __post_init__(self):
        if self.intrinsics is not None and self.calib is not None:
            raise SourceError("intrinsics and a calibration file were both given; give one of "
                              "them")
        if self.fps is not None and not 0 < self.fps < 10_000:
            raise SourceError(f"fps must be above 0 and below 10000, got {self.fps:g}")
        if self.max_frames is not None and self.max_frames < 1:
            raise SourceError(f"max_frames must be at least 1, got {self.max_frames}")
        if self.depth_scale is not None and not 0 < self.depth_scale < inf:
            raise SourceError(f"depth_scale must be positive, got {self.depth_scale:g}; 5000 is "
                              "TUM's, 1000 are millimetres")
        if self.camera_height is not None and not 0 < self.camera_height < 100:
            raise SourceError("the camera's height over the ground must be above 0 and below 100 "
                              f"metres, got {self.camera_height:g}")
        if self.stride < 1:
            raise SourceError(f"stride must be at least 1, got {self.stride}")


def choose_camera(options: SourceOptions, width: int, height: int, name: str,
                  known: PinholeCamera | None = None, turned_clockwise: int = 0) -> PinholeCamera:
    """The camera, with its distortion, of the original ``width`` x ``height`` images of source
    ``name``.

    In order: the numbers the user gave, the user's calibration file, the camera that the
    data set is ``known`` to have, and a guess, which is announced.  ``turned_clockwise`` (0, 90,
    180 or 270 degrees) states how the images are turned against the sensor's; numbers
    that were measured before are turned with them.  Raises ``SourceError`` when the numbers do
    not fit the image.
    """
    if options.intrinsics is not None:
        return camera_from_values(options.intrinsics, width, height,
                                  f"intrinsics {options.intrinsics} for {name}", turned_clockwise)
    if options.calib is not None:
        return read_calibration(options.calib, width, height, turned_clockwise)
    if known is not None:
        origin = f"the known camera of {name}"
        camera = fit_size(known, width, height, origin, turned_clockwise)
        check_plausible(camera, origin)
        return camera
    focal = 0.5 * width / tan(radians(0.5 * GUESSED_FIELD_OF_VIEW_DEG))
    _log.warning("%s: no intrinsics given, guessing a field of view of %g degrees (focal length "
                 "%.0f px at %dx%d); give --intrinsics fx,fy,cx,cy or --calib FILE for a map of "
                 "the right shape", name, GUESSED_FIELD_OF_VIEW_DEG, focal, width, height)
    return PinholeCamera(fx=focal, fy=focal, cx=0.5 * (width - 1), cy=0.5 * (height - 1),
                         width=width, height=height)
