"""ORB features: what small pieces of an image look like, and how a camera stands that sees them."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from optim import se3
from optim.camera import MIN_DEPTH, PinholeCamera

#: Of ORB: steps between its resolutions, their number, the edge left out, the first one, the
#: points a bit compares, and the patch's edge and contrast that suit small images.
_SCALE, _LEVELS, _EDGE, _FIRST, _POINTS, _PATCH, _CONTRAST = 1.2, 4, 15, 0, 2, 21, 4
#: Probability with which RANSAC is to find the right motion, and its rounds at most.
_CONFIDENCE, _ROUNDS = 0.999, 300
#: Factors of depth between which a point may lie.
DEPTH_DOUBT = (0.5, 2.0)
#: Matches below which no motion can be told from chance.
_FEWEST = 6


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
    return Features(np.array([p.pt for p in points], np.float32)[order], descriptors[order])


def match(a: np.ndarray, b: np.ndarray, max_ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Which of descriptors (N, 32) and which of others (M, 32) look alike, and not like their
    neighbours: two index arrays of one length."""
    if len(a) < 2 or not len(b):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    best = [first for first, second in cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(b, a, 2)
            if first.distance < max_ratio * second.distance]
    return (np.array([m.trainIdx for m in best], np.intp),
            np.array([m.queryIdx for m in best], np.intp))


@dataclass(frozen=True)
class Resection:
    """The pose of a camera that sees known points."""

    #: (4, 4) from the points' frame to the camera's
    T: Tensor
    #: (M, 3) all that may be seen, and (M, 2) where
    points: Tensor
    pixels: Tensor
    camera: PinholeCamera
    #: pixels within which one agrees
    tolerance: float
    #: (M,) bool: which ones agree with it
    agreeing: Tensor

    @property
    def count(self) -> int:
        """How many agree."""
        return int(self.agreeing.sum())

    def support(self, T: Tensor) -> float:
        """Share of those that another pose (4, 4) would put where they are seen, were they half
        to twice as far: unlike the pose itself, that does not rest on their depth."""
        points, pixels = self.points[self.agreeing], self.pixels[self.agreeing]
        ends = [se3.act(T, factor * points) for factor in DEPTH_DOUBT]
        near, far = (self.camera.project(x)[0] for x in ends)
        along = far - near
        reached = ((pixels - near) * along).sum(1) / along.square().sum(1).clamp(min=1e-6)
        missed = near + reached.clamp(0, 1)[:, None] * along - pixels
        in_front = torch.stack([x[:, 2] > MIN_DEPTH for x in ends]).all(0)
        return float((in_front & (missed.norm(dim=1) < self.tolerance)).float().mean())


def resect(points: Tensor, pixels: Tensor, camera: PinholeCamera, tolerance: float,
           fewest: int) -> Resection | None:
    """The pose that puts most of points (M, 3) to within ``tolerance`` of pixels (M, 2), by
    RANSAC; None when fewer than ``fewest`` agree with any."""
    fewest = max(fewest, _FEWEST)
    if len(points) < fewest:
        return None
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    cv2.setRNGSeed(0)
    solved, turn, shift, agreeing = cv2.solvePnPRansac(
        points.double().cpu().numpy(), pixels.double().cpu().numpy(), K, None,
        iterationsCount=_ROUNDS, reprojectionError=tolerance, confidence=_CONFIDENCE,
        flags=cv2.SOLVEPNP_AP3P)
    if not solved or agreeing is None or len(agreeing) < fewest:
        return None
    R = torch.from_numpy(cv2.Rodrigues(turn)[0])
    T = se3.from_rotation_translation(R, torch.from_numpy(shift[:, 0])).to(points)
    mask = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    mask[torch.from_numpy(agreeing[:, 0]).long()] = True
    return Resection(T, points, pixels.to(points), camera, tolerance, mask)
