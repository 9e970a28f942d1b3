"""Pairs of frames with a wide enough baseline, and the corners that are tracked from one to the
other."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy import ndarray
from scipy.spatial.transform import Rotation

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging import image as imaging
from scenecode.slam.calibration.radial_distortion import FramePair
from scenecode.slam.features.klt import KltConfig, detect_corners, track_corners
from scenecode.slam.features.orb import grey
from scenecode.slam.records.frame import Frame

_KLT = KltConfig(max_corners=300, quality=0.005, min_distance=12, window=21, levels=4)
#: Tracks start at every how many-th frame.
_TRACK_EVERY = 3
#: A pair is complete when the median corner has moved by this fraction of the image width, and is
#: given up when it has not after so many frames.
_BASELINE = 0.15
_MAX_AGE = 20
#: Corners that a pair needs.
_MIN_CORNERS = 40
#: Pixels from the epipolar line within which RANSAC counts a match as an inlier, and the
#: probability with which it is to find the right motion.
_RANSAC_PIXELS = 4.0
_CONFIDENCE = 0.999


@dataclass(frozen=True)
class _Track:
    """Corners that are tracked from one frame on."""

    #: (H, W) grey image of that frame
    first: ndarray
    #: (N, 2) pixels there, and in the newest frame
    start: torch.Tensor
    current: torch.Tensor
    #: frames in between
    age: int = 0

    def tracked(self, previous: ndarray, image: ndarray) -> "_Track":
        """One frame further, with the corners that are still found."""
        current, kept = track_corners(previous, image, self.current, self.current, _KLT)
        return _Track(first=self.first, start=self.start[kept], current=current[kept],
                      age=self.age + 1)

    @property
    def is_usable(self) -> bool:
        return len(self.start) >= _MIN_CORNERS and self.age < _MAX_AGE

    @property
    def distance(self) -> float:
        """Pixels that the median corner has moved."""
        return float((self.current - self.start).norm(dim=1).median())


def collect_pairs(frames: Iterable[Frame]) -> tuple[list[FramePair], PinholeCamera | None]:
    """All pairs of a sequence, with an initial relative pose; and the camera of its frames, None
    when there are none."""
    pairs: list[FramePair] = []
    tracks: list[_Track] = []
    camera: PinholeCamera | None = None
    previous: ndarray | None = None
    for n, frame in enumerate(frames):
        image, camera = grey(imaging.intensity(frame.image)), frame.camera
        if previous is not None:
            tracks = [track.tracked(previous, image) for track in tracks]
        tracks = [track for track in tracks if track.is_usable]
        baseline = _BASELINE * camera.width
        for track in tracks:
            if track.distance >= baseline:
                pairs += _verified(track, image, camera)
        tracks = [track for track in tracks if track.distance < baseline]
        if n % _TRACK_EVERY == 0:
            start = detect_corners(image, torch.zeros(0, 2), _KLT)
            tracks.append(_Track(first=image, start=start, current=start))
        previous = image
    return pairs, camera


def _verified(track: _Track, image: ndarray, camera: PinholeCamera) -> list[FramePair]:
    """The pair, if enough corners are also found directly from its first frame, and one relative
    pose explains enough of them."""
    current, kept = track_corners(track.first, image, track.start, track.current, _KLT)
    a, b = (camera.rays(p[kept])[:, :2].double().numpy() for p in (track.start, current))
    if len(a) < _MIN_CORNERS:
        return []
    cv2.setRNGSeed(0)
    E, mask = cv2.findEssentialMat(a, b, np.eye(3), method=cv2.RANSAC, prob=_CONFIDENCE,
                                   threshold=_RANSAC_PIXELS / camera.focal)
    if E is None or E.shape != (3, 3):
        return []
    _, R, t, _ = cv2.recoverPose(E, a, b, np.eye(3), mask=mask.copy())
    inliers = mask[:, 0] > 0
    if inliers.sum() < _MIN_CORNERS:
        return []
    return [FramePair(a=a[inliers], b=b[inliers], R=Rotation.from_matrix(R), t=t[:, 0])]
