"""ORB features: what small pieces of an image look like, and how a camera stands that sees them."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera

#: Of ORB: steps between its resolutions, their number, the edge left out, the first one, the
#: points a bit compares, and the patch's edge and contrast that suit small images.
_SCALE, _LEVELS, _EDGE, _FIRST, _POINTS, _PATCH, _CONTRAST = 1.2, 4, 15, 0, 2, 21, 4
#: Probability with which RANSAC is to find the right motion, and its rounds at most.
_CONFIDENCE, _ROUNDS = 0.999, 300
#: Factors of depth between which a point may lie.
DEPTH_DOUBT = (0.5, 2.0)
#: Matches below which no motion can be told from chance.
_MIN_INLIERS = 6


@dataclass(frozen=True)
class Features:
    """The features of an image, strongest first."""

    #: (N, 2) float32
    pixels: np.ndarray
    #: (N, 32) uint8
    descriptors: np.ndarray


def grey(intensity: Tensor) -> np.ndarray:
    """Intensity (H, W) in [0, 1] to bytes (H, W), as OpenCV takes images."""
    return (intensity * 255).round().clamp(0, 255).byte().cpu().numpy()


def detect(image: np.ndarray, count: int) -> Features:
    """At most ``count`` features of a grey image (H, W) of bytes."""
    orb = cv2.ORB_create(count, _SCALE, _LEVELS, _EDGE, _FIRST, _POINTS, cv2.ORB_HARRIS_SCORE,
                         _PATCH, _CONTRAST)
    points, descriptors = orb.detectAndCompute(image, None)
    if not points:
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8))
    order = np.argsort([-p.response for p in points], kind="stable")
    return Features(cv2.KeyPoint.convert(points)[order], descriptors[order])


def match(a: np.ndarray, b: np.ndarray, max_ratio: float
          ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which of descriptors (N, 32) and which of others (M, 32) look alike, and not like their
    neighbours: two index arrays of one length, and how the best distance compares with the
    second best, below ``max_ratio``."""
    if len(a) < 2 or not len(b):
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0)
    pairs = [(first.trainIdx, first.queryIdx, first.distance / second.distance)
             for first, second in cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(b, a, 2)
             if first.distance < max_ratio * second.distance]
    of_a, of_b, ratio = zip(*pairs) if pairs else ((), (), ())
    return np.array(of_a, np.intp), np.array(of_b, np.intp), np.array(ratio, float)


@dataclass(frozen=True)
class Matches:
    """Known points, and where they seem to be seen again."""

    #: (M, 3), and (M, 2) pixels
    points: Tensor
    pixels: Tensor
    camera: PinholeCamera
    #: pixels within which a pose puts a point where it is seen
    tolerance: float

    def __len__(self) -> int:
        return len(self.points)

    def only(self, which: np.ndarray) -> "Matches":
        """Those of a mask (M,) or an index."""
        chosen = torch.from_numpy(which).to(self.points.device)
        return replace(self, points=self.points[chosen], pixels=self.pixels[chosen])

    def inlier_ratio(self, T: Tensor) -> float:
        """Share of the points that a pose (4, 4) from their frame to the camera's would put where
        they are seen, were they half to twice as far: that does not rest on their depth."""
        ends = se3.act(T, torch.stack([factor * self.points for factor in DEPTH_DOUBT]))
        near, far = self.camera.project(ends)[0]
        along = far - near
        reached = ((self.pixels - near) * along).sum(1) / along.square().sum(1).clamp(min=1e-6)
        missed = near + reached.clamp(0, 1)[:, None] * along - self.pixels
        in_front = (ends[..., 2] > MIN_DEPTH).all(0)
        return float((in_front & (missed.norm(dim=1) < self.tolerance)).float().mean())


@dataclass(frozen=True)
class AbsolutePose:
    """The pose of a camera that sees known points."""

    #: (4, 4) from the points' frame to the camera's
    T: Tensor
    #: the matches within the tolerance of its projections
    inliers: Matches


def solve_pnp(seen: Matches, min_inliers: int) -> AbsolutePose | None:
    """The pose that puts most of the points where they are seen, by RANSAC; None when fewer than
    ``min_inliers`` agree with any."""
    min_inliers = max(min_inliers, _MIN_INLIERS)
    if len(seen) < min_inliers:
        return None
    camera = seen.camera
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    cv2.setRNGSeed(0)
    solved, turn, shift, inliers = cv2.solvePnPRansac(
        seen.points.double().cpu().numpy(), seen.pixels.double().cpu().numpy(), K, None,
        iterationsCount=_ROUNDS, reprojectionError=seen.tolerance, confidence=_CONFIDENCE,
        flags=cv2.SOLVEPNP_AP3P)
    if not solved or inliers is None or len(inliers) < min_inliers:
        return None
    R = torch.from_numpy(cv2.Rodrigues(turn)[0])
    T = se3.from_rotation_translation(R, torch.from_numpy(shift[:, 0])).to(seen.points)
    return AbsolutePose(T, seen.only(inliers[:, 0].astype(np.intp)))
