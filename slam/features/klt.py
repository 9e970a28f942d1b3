"""Corners, tracked from image to image by pyramidal Lucas-Kanade (KLT)."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging import image as imaging

#: When the search for a corner ends: iterations, and pixels of the last update.
_ITERATIONS, _MIN_UPDATE = 20, 0.02
#: Probability with which RANSAC is to find the essential matrix.
_CONFIDENCE = 0.999
#: Matches below which no essential matrix is estimated.
_MIN_MATCHES = 8


@dataclass(frozen=True)
class KltConfig:
    """Parameters of detection and tracking of corners."""

    #: corners in an image, those that are occupied included
    max_corners: int = 240
    #: pixels between corners
    min_distance: int = 7
    #: corner response, relative to the strongest one
    quality: float = 0.01
    #: edge in pixels of the patch that is compared, and pyramid levels
    window: int = 15
    levels: int = 3
    #: pixels by which a corner that is tracked there and back may miss where it started
    max_return_error: float = 0.5
    #: RANSAC threshold, pixels from the epipolar line
    ransac_pixels: float = 1.0


def detect_corners(image: np.ndarray, occupied: Tensor, config: KltConfig,
                   excluded: np.ndarray | None = None) -> Tensor:
    """Corners (P, 2) of an image of bytes (H, W), strongest first, outside an ``excluded`` area
    (H, W) and away from the ``occupied`` pixels (M, 2): together at most ``config.max_corners``.
    """
    mask = np.full(image.shape, 255, np.uint8)
    if excluded is not None:
        mask[excluded] = 0
    border = config.window // 2
    mask[:border], mask[-border:], mask[:, :border], mask[:, -border:] = 0, 0, 0, 0
    for u, v in occupied.tolist():
        cv2.circle(mask, (round(u), round(v)), config.min_distance, 0, -1)
    wanted = config.max_corners - len(occupied)
    found = None if wanted <= 0 else cv2.goodFeaturesToTrack(
        image, wanted, config.quality, config.min_distance, mask=mask)
    if found is None:
        return torch.zeros(0, 2)
    return torch.from_numpy(found.reshape(-1, 2))


def track_corners(image_a: np.ndarray, image_b: np.ndarray, pixels_a: Tensor, guess_b: Tensor,
                  config: KltConfig) -> tuple[Tensor, Tensor]:
    """Where corners (N, 2) of A are in B, starting at a guess; and a mask (N,) of those that are
    tracked back from there to where they started."""
    if not len(pixels_a):
        return guess_b, torch.zeros(0, dtype=torch.bool)
    start, guess = (np.ascontiguousarray(p.cpu().numpy(), np.float32)[:, None]
                    for p in (pixels_a, guess_b))

    def track(source: np.ndarray, target: np.ndarray, pixels: np.ndarray, guess: np.ndarray
              ) -> tuple[np.ndarray, np.ndarray]:
        found, status, _ = cv2.calcOpticalFlowPyrLK(
            source, target, pixels, guess.copy(), winSize=(config.window, config.window),
            maxLevel=config.levels - 1, flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
            criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ITERATIONS, _MIN_UPDATE))
        return np.asarray(found), np.asarray(status)

    found, status = track(image_a, image_b, start, guess)
    back, back_status = track(image_b, image_a, found, start)
    height, width = image_b.shape
    found_b = torch.from_numpy(found[:, 0])
    kept = torch.from_numpy((status & back_status)[:, 0] > 0)
    kept &= torch.from_numpy(np.linalg.norm((back - start)[:, 0], axis=1)) \
        < config.max_return_error
    return found_b, kept & imaging.inside(found_b, width, height, 1.0)


def epipolar_inliers(rays_a: Tensor, pixels_b: Tensor, camera_b: PinholeCamera,
                     config: KltConfig) -> Tensor:
    """Mask (N,) of the matches that one essential matrix explains (RANSAC): points of A on
    ``rays_a`` (N, 3) at depth 1, matched to pixels (N, 2) of B."""
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
