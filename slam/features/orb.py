"""ORB features, their matches, and the pose of a camera that observes known points."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera

#: Features that are detected in an image.
MAX_FEATURES = 500
#: Resolutions of ORB and the factor between them; patch and threshold suit small images.
_LEVELS, _LEVEL_FACTOR = 4, 1.2
_EDGE, _PATCH, _CONTRAST = 15, 21, 4
#: Probability with which RANSAC is to find the pose, and its iterations at most.
_CONFIDENCE, _ITERATIONS = 0.999, 300
#: Factors of depth within which an inlier's true depth may lie.
DEPTH_RANGE = (0.5, 2.0)
#: Matches below which no pose is estimated.
_MIN_INLIERS = 6


@dataclass(frozen=True)
class Features:
    """The features of an image, strongest first."""

    #: (N, 2) float32
    pixels: np.ndarray
    #: (N, 32) uint8
    descriptors: np.ndarray

    def select(self, which: np.ndarray) -> "Features":
        """Those that a mask (N,) marks."""
        return Features(pixels=self.pixels[which], descriptors=self.descriptors[which])


def grey(intensity: Tensor) -> np.ndarray:
    """Intensity (H, W) in [0, 1] to bytes (H, W), as OpenCV takes images."""
    return (intensity * 255).round().clamp(0, 255).byte().cpu().numpy()


def detect(image: np.ndarray, count: int = MAX_FEATURES) -> Features:
    """At most ``count`` features of an image of bytes (H, W)."""
    orb = cv2.ORB.create(
        nfeatures=count, scaleFactor=_LEVEL_FACTOR, nlevels=_LEVELS, edgeThreshold=_EDGE,
        firstLevel=0, WTA_K=2, scoreType=cv2.ORB_HARRIS_SCORE, patchSize=_PATCH,
        fastThreshold=_CONTRAST)
    points, descriptors = orb.detectAndCompute(image, None)
    if not points:
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8))
    order = np.argsort([-p.response for p in points], kind="stable")
    pixels = np.asarray(cv2.KeyPoint.convert(points), np.float32)
    return Features(pixels[order], np.asarray(descriptors)[order])


def match(a: np.ndarray, b: np.ndarray, max_ratio: float
          ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matches of descriptors (N, 32) and (M, 32) by Lowe's ratio test: the index of each match in
    either, and the distance of its best over that of its second best, below ``max_ratio``."""
    if len(a) < 2 or not len(b):
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    pairs = [(first.trainIdx, first.queryIdx, first.distance / second.distance)
             for first, second in cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(b, a, 2)
             if first.distance < max_ratio * second.distance]
    of_a, of_b, ratio = zip(*pairs) if pairs else ((), (), ())
    return np.array(of_a, np.intp), np.array(of_b, np.intp), np.array(ratio, float)


@dataclass(frozen=True)
class Matches:
    """Known points, and the pixels that they are matched to."""

    #: (M, 3), and (M, 2)
    points: Tensor
    pixels: Tensor
    camera: PinholeCamera
    #: largest reprojection error of an inlier, pixels
    tolerance: float

    def __len__(self) -> int:
        return len(self.points)

    def select(self, which: np.ndarray) -> "Matches":
        """Those of a mask (M,) or an index."""
        chosen = torch.from_numpy(which).to(self.points.device)
        return replace(self, points=self.points[chosen], pixels=self.pixels[chosen])

    def inlier_ratio(self, T: Tensor) -> float:
        """Share of the points that a pose (4, 4) from their frame to the camera's projects to
        their pixels at some depth within ``DEPTH_RANGE`` of their own: it does not depend on
        exact depth."""
        ends = se3.act(T, torch.stack([factor * self.points for factor in DEPTH_RANGE]))
        near, far = self.camera.project(ends)[0]
        along = far - near
        position = ((self.pixels - near) * along).sum(1) / along.square().sum(1).clamp(min=1e-6)
        error = near + position.clamp(0, 1)[:, None] * along - self.pixels
        in_front = (ends[..., 2] > MIN_DEPTH).all(0)
        return float((in_front & (error.norm(dim=1) < self.tolerance)).float().mean())


@dataclass(frozen=True)
class AbsolutePose:
    """The pose of a camera that observes known points."""

    #: (4, 4) from the points' frame to the camera's
    T: Tensor
    #: the matches within the tolerance of its projections
    inliers: Matches


def solve_pnp(matches: Matches, min_inliers: int) -> AbsolutePose | None:
    """The pose with the most inliers, by RANSAC over perspective from three points (AP3P); None
    when none has ``min_inliers``."""
    min_inliers = max(min_inliers, _MIN_INLIERS)
    if len(matches) < min_inliers:
        return None
    camera = matches.camera
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    cv2.setRNGSeed(0)
    solved, rotation, translation, inliers = cv2.solvePnPRansac(
        matches.points.double().cpu().numpy(), matches.pixels.double().cpu().numpy(), K, None,
        iterationsCount=_ITERATIONS, reprojectionError=matches.tolerance, confidence=_CONFIDENCE,
        flags=cv2.SOLVEPNP_AP3P)
    if not solved or inliers is None or len(inliers) < min_inliers:
        return None
    R = torch.from_numpy(cv2.Rodrigues(rotation)[0])
    T = se3.from_rotation_translation(R, torch.from_numpy(translation[:, 0])).to(matches.points)
    return AbsolutePose(T, matches.select(inliers[:, 0].astype(np.intp)))
