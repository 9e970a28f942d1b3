"""Corners, followed from image to image by pyramidal Lucas-Kanade (KLT)."""

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging import image as imaging
from scenecode.slam.config.slam_config import MatchingConfig

#: Probability with which RANSAC is to find the right motion.
_CONFIDENCE = 0.999
#: Matches below which no motion model can be told from chance.
_MIN_MATCHES = 8


def corners(image: np.ndarray, occupied: Tensor, config: MatchingConfig) -> Tensor:
    """Corners (P, 2) of a grey image, strongest first, away from the ``occupied`` (M, 2) ones:
    together at most ``config.points``."""
    mask = np.full(image.shape, 255, np.uint8)
    border = config.window // 2
    mask[:border], mask[-border:], mask[:, :border], mask[:, -border:] = 0, 0, 0, 0
    for u, v in occupied.tolist():
        cv2.circle(mask, (round(u), round(v)), config.distance, 0, -1)
    wanted = config.points - len(occupied)
    found = None if wanted <= 0 else cv2.goodFeaturesToTrack(
        image, wanted, config.quality, config.distance, mask=mask)
    if found is None:
        return torch.zeros(0, 2)
    return torch.from_numpy(found.reshape(-1, 2))


def follow(image_a: np.ndarray, image_b: np.ndarray, pixels_a: Tensor, guess_b: Tensor,
           config: MatchingConfig) -> tuple[Tensor, Tensor]:
    """Where points (N, 2) of A are in B, starting at a guess; and a mask (N,) of those that
    lead back to where they came from."""
    if not len(pixels_a):
        return guess_b, torch.zeros(0, dtype=torch.bool)
    options = dict(winSize=(config.window, config.window), maxLevel=config.levels - 1,
                   flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
                   criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.02))
    start, guess = (np.ascontiguousarray(p.cpu().numpy(), np.float32)[:, None]
                    for p in (pixels_a, guess_b))
    found, seen, _ = cv2.calcOpticalFlowPyrLK(image_a, image_b, start, guess.copy(), **options)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(image_b, image_a, found, start.copy(), **options)
    height, width = image_b.shape
    found_b = torch.from_numpy(found[:, 0])
    kept = torch.from_numpy((seen & returned)[:, 0] > 0)
    kept &= torch.from_numpy(np.linalg.norm((back - start)[:, 0], axis=1)) < config.max_return
    return found_b, kept & imaging.inside(found_b, width, height, 1.0)


def epipolar_inliers(rays_a: Tensor, pixels_b: Tensor, camera_b: PinholeCamera,
             config: MatchingConfig) -> Tensor:
    """Mask (N,) of the matches that one rigid motion explains (RANSAC): points of A on
    ``rays_a`` (N, 3), seen at ``pixels_b``."""
    if len(rays_a) < _MIN_MATCHES:
        return torch.zeros(len(rays_a), dtype=torch.bool)
    rays_b = camera_b.rays(pixels_b)
    cv2.setRNGSeed(0)
    _, mask = cv2.findEssentialMat(
        rays_a[:, :2].double().cpu().numpy(), rays_b[:, :2].double().cpu().numpy(), np.eye(3),
        method=cv2.RANSAC, prob=_CONFIDENCE, threshold=config.ransac_pixels / camera_b.focal)
    if mask is None:
        return torch.zeros(len(rays_a), dtype=torch.bool)
    return torch.from_numpy(mask[:, 0] > 0)
