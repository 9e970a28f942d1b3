"""Corners that are tracked through a video, at keyframes a small motion apart.

Between keyframes corners are followed from frame to frame (Lucas-Kanade, there and back); at a
keyframe every corner is located again directly from the image of the keyframe before, so that
errors add up over keyframes only.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy import ndarray

from scenecode.optim.imaging import image as imaging
from scenecode.slam.features.klt import KltConfig, detect_corners, track_corners
from scenecode.slam.features.orb import grey
from scenecode.slam.records.frame import Frame

_KLT = KltConfig(max_corners=450, quality=0.003, min_distance=11, window=21, levels=5,
                 max_return_error=0.3)
#: From frame to frame a smaller patch is enough: the keyframe before gives the precision.
_FOLLOWING = replace(_KLT, window=13, levels=4, max_return_error=1.0)
#: A frame becomes a keyframe when the median corner has moved by this fraction of the image width
#: since the last one, or when fewer than this part of its corners are left.
_KEYFRAME_MOTION, _KEYFRAME_SURVIVORS = 0.035, 0.6
#: Seconds between two images within which corners are taken to move evenly, and the fraction of
#: the image width that they may move by: single images are further apart.
_LONGEST_STEP, _LARGEST_STEP = 0.12, 0.1
#: Keyframes that a camera is measured by, at most: their images are kept.
_MOST_KEYFRAMES = 300
#: Corners below which the previous keyframe no longer connects to the present one.
_MIN_CORNERS = 20
#: Fallback for large motion between frames: ORB features of an image, and how much nearer than
#: the second the nearest descriptor must be.
_ORB_FEATURES, _ORB_RATIO = 3000, 0.75
#: Pixels from the epipolar line that a match of descriptors may have, at 640 pixels of width.
_EPIPOLAR_PIXELS = 3.0


@dataclass(frozen=True, kw_only=True)
class CornerTracks:
    """Where tracked corners are seen: one entry an observation, in the order of keyframes."""

    #: (O,) int: number of the keyframe, from 0, and of the corner
    keyframe: ndarray
    corner: ndarray
    #: (O, 2) float64
    pixels: ndarray
    #: (O, 2) pixels per second that the corner moved by at that time; 0 where it was not followed
    velocities: ndarray
    #: index of the frame that each keyframe is
    frames: tuple[int, ...]
    #: frames that were looked at
    frame_count: int
    #: (width, height) of the images
    size: tuple[int, int]
    #: median pixels by which corners moved in all, from keyframe to keyframe
    motion: float
    #: (H, W) uint8 of each keyframe; none where they were not kept
    images: tuple[ndarray, ...] = ()

    @property
    def shifts(self) -> ndarray:
        """(O, 2, 2) pixels that an observation is moved by for each second that a rolling shutter
        takes across and down the image: the middle of the image is where it should be."""
        place = (self.pixels + 0.5) / self.size - 0.5
        return self.velocities[:, :, None] * place[:, None]


class CornerTracker:
    """Builds ``CornerTracks`` from images that come one by one."""

    def __init__(self) -> None:
        self._previous: ndarray | None = None
        self._key_image = np.zeros((0, 0), np.uint8)
        self._key_pixels = self._pixels = torch.zeros(0, 2)
        self._corners = np.zeros(0, np.int64)
        self._next_corner = self._frame_count = 0
        self._motion = 0.0
        self._last_index = -1
        self._frames: list[int] = []
        self._images: list[ndarray] = []
        #: corners of each keyframe, their pixels, and their velocities, NaN where unknown
        self._seen: list[tuple[ndarray, ndarray, ndarray]] = []
        #: pixels per second that corners moved by since the last image, which was taken then
        self._velocities = torch.zeros(0, 2)
        self._seconds = 0.0

    @property
    def is_full(self) -> bool:
        """Whether there are as many keyframes as are looked at."""
        return len(self._frames) >= _MOST_KEYFRAMES

    @property
    def motion(self) -> float:
        """Median pixels by which corners moved in all, up to the last keyframe."""
        return self._motion

    def add(self, image: ndarray, index: int, seconds: float) -> None:
        """The next image (H, W) uint8, of this frame index and time."""
        self._frame_count += 1
        since, self._seconds = seconds - self._seconds, seconds
        if self._previous is None:
            self._start_keyframe(image, index)
        else:
            self._follow(self._previous, image, since)
            if self._frames[-1] == self._last_index:
                self._note_velocities()
            moved = (self._pixels - self._key_pixels).norm(dim=1)
            first = len(self._seen[-1][0])
            if len(moved) < _KEYFRAME_SURVIVORS * first or \
                    float(moved.median()) > _KEYFRAME_MOTION * image.shape[1]:
                self._refine(image)
                self._motion += float((self._pixels - self._key_pixels).norm(dim=1).median()) \
                    if len(self._pixels) else 0.0
                self._start_keyframe(image, index)
        self._previous, self._last_index = image, index

    def tracks(self) -> CornerTracks:
        """What was tracked so far; ``ValueError`` before the first image."""
        if self._previous is None:
            raise ValueError("no image was added")
        counts = [len(corners) for corners, _, _ in self._seen]
        height, width = self._previous.shape
        return CornerTracks(
            keyframe=np.repeat(np.arange(len(counts)), counts),
            corner=np.concatenate([corners for corners, _, _ in self._seen]),
            pixels=np.concatenate([pixels for _, pixels, _ in self._seen]),
            velocities=np.nan_to_num(np.concatenate([v for _, _, v in self._seen])),
            frames=tuple(self._frames), frame_count=self._frame_count, size=(width, height),
            motion=self._motion, images=tuple(self._images))

    def _follow(self, previous: ndarray, image: ndarray, seconds: float) -> None:
        pixels, kept = track_corners(previous, image, self._pixels, self._pixels,
                                     _FOLLOWING)
        if kept.sum() < max(_MIN_CORNERS, 0.3 * len(self._pixels)):
            by_descriptors = _match_descriptors(self._key_image, image, self._key_pixels)
            if by_descriptors is not None and by_descriptors[1].sum() > kept.sum():
                pixels, kept = by_descriptors
        step = pixels - self._pixels
        is_near = step.norm(dim=1, keepdim=True) <= _LARGEST_STEP * image.shape[1]
        if not 0 < seconds <= _LONGEST_STEP:
            is_near = torch.zeros_like(is_near)
        self._velocities = torch.where(is_near, step / max(seconds, 1e-6), torch.nan)
        self._keep(kept, pixels)

    def _note_velocities(self) -> None:
        """Those by which corners went on from the last keyframe."""
        corners, _, velocities = self._seen[-1]
        at, onwards = np.searchsorted(corners, self._corners), self._velocities.double().numpy()
        arrived = velocities[at]
        velocities[at] = np.where(np.isnan(arrived), onwards, 0.5 * (arrived + onwards))

    def _refine(self, image: ndarray) -> None:
        pixels, kept = track_corners(self._key_image, image, self._key_pixels, self._pixels, _KLT)
        self._keep(kept, pixels)

    def _keep(self, kept: torch.Tensor, pixels: torch.Tensor) -> None:
        self._pixels, self._key_pixels = pixels[kept], self._key_pixels[kept]
        self._velocities = self._velocities[kept]
        self._corners = self._corners[kept.numpy()]

    def _start_keyframe(self, image: ndarray, index: int) -> None:
        new = detect_corners(image, self._pixels, _KLT)
        self._pixels = torch.cat([self._pixels, new])
        numbers = np.arange(self._next_corner, self._next_corner + len(new))
        self._corners = np.concatenate([self._corners, numbers])
        self._next_corner += len(new)
        self._key_image, self._key_pixels = image, self._pixels
        self._frames.append(index)
        self._images.append(image)
        known = self._velocities.double().numpy()
        self._seen.append((self._corners, self._pixels.double().numpy(), np.concatenate(
            [known, np.full((len(new), 2), np.nan)])))


def track_video(frames: Iterable[Frame], advance: Callable[[int], None] = lambda count: None,
                is_enough: Callable[[Frame, float], bool] = lambda frame, motion: False
                ) -> CornerTracks | None:
    """The tracks of all frames, as far as keyframes are kept, or up to the one of which
    ``is_enough``, which is also given the motion so far in image widths; None where there are no
    frames.  ``advance`` is called with the number of frames so far."""
    tracker, count = CornerTracker(), 0
    for frame in frames:
        tracker.add(grey(imaging.intensity(frame.image)), frame.index,
                    frame.timestamp)
        count += 1
        advance(count)
        if tracker.is_full or is_enough(frame, tracker.motion / frame.camera.width):
            break
    return tracker.tracks() if count else None


def _match_descriptors(image_a: ndarray, image_b: ndarray, corners: torch.Tensor
                       ) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Where corners (N, 2) of A are in B, by ORB descriptors and Lucas-Kanade, and a mask (N,) of
    those found; None where there is nothing to match."""
    orb = cv2.ORB.create(_ORB_FEATURES)
    keypoints = [cv2.KeyPoint(float(u), float(v), 31.0) for u, v in corners.tolist()]
    at_corners, a = orb.compute(image_a, keypoints)
    in_b, b = orb.detectAndCompute(image_b, None)
    if a is None or b is None or len(in_b) < 2:
        return None
    # ORB leaves out corners near the edge: which one each descriptor belongs to
    index = {keypoint.pt: n for n, keypoint in enumerate(keypoints)}
    near = [pair for pair in cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(a, b, 2) if len(pair) == 2]
    good = [first for first, second in near if first.distance < _ORB_RATIO * second.distance]
    if len(good) < _MIN_CORNERS:
        return None
    from_a = np.array([index[at_corners[m.queryIdx].pt] for m in good])
    to_b = np.array([in_b[m.trainIdx].pt for m in good], np.float32)
    cv2.setRNGSeed(0)
    _, inliers = cv2.findFundamentalMat(corners.numpy()[from_a], to_b, cv2.FM_RANSAC,
                                        _EPIPOLAR_PIXELS * image_a.shape[1] / 640, 0.999)
    if inliers is None:
        return None
    good_ones = inliers[:, 0] > 0
    guess, kept = corners.clone(), torch.zeros(len(corners), dtype=torch.bool)
    matched = torch.from_numpy(from_a[good_ones])
    refined, found = track_corners(image_a, image_b, corners[matched],
                                   torch.from_numpy(to_b[good_ones]), _KLT)
    guess[matched], kept[matched] = refined, found
    return guess, kept
