"""Sparse correspondences between keyframes: corners, followed from image to image."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from optim import image as imaging
from optim import se3
from optim.camera import PinholeCamera
from slam.config import MatchingConfig
from slam.features import grey
from slam.graph import KeyframeGraph
from slam.one_way import OneWayFrame
from slam.points import Points, Sighting, make_points

#: Probability with which RANSAC is to find the right motion.
_CONFIDENCE = 0.999
#: Matches below which no motion model can be told from chance.
_MIN_MATCHES = 8


def match_keyframe(graph: KeyframeGraph, number: int, config: MatchingConfig) -> None:
    """Find the corners of older keyframes in a new one, give it corners of its own where it has
    none, and find those in older ones."""
    images = {}

    def picture(n: int) -> np.ndarray:
        if n not in images:
            images[n] = grey(graph.keyframes[n].pyramid[0])
        return images[n]

    occupied = torch.zeros(0, 2)
    for older in range(max(0, number - config.reach), number):
        seen = _sight(graph, older, number, picture, config)
        occupied = torch.cat([occupied, seen])
    keyframe = graph.keyframes[number]
    pixels = corners(picture(number), occupied, config)
    graph.points[number] = make_points(keyframe, graph.states[number].code_depth, pixels)
    for older in range(max(0, number - config.back), number):
        _sight(graph, number, older, picture, config)


def match_one_way(graph: KeyframeGraph, frame: OneWayFrame, keyframes: Sequence[int],
                  config: MatchingConfig) -> OneWayFrame:
    """The frame, compared with some keyframes, whose corners are looked for in it."""
    image = grey(frame.pyramid[0])
    T_frame_world = se3.inverse(graph.pose_of(frame))
    sightings = {}
    for n in keyframes:
        points, keyframe = graph.points.get(n), graph.keyframes[n]
        sightings[n] = None if points is None else _seen(
            points, T_frame_world @ graph.states[n].T_world_cam, grey(keyframe.pyramid[0]), image,
            keyframe.camera, config)
    return replace(frame, sightings=sightings)


def _sight(graph: KeyframeGraph, a: int, b: int, picture, config: MatchingConfig) -> Tensor:
    """Look for a's points in b and note where; returns those pixels (M, 2)."""
    points = graph.points.get(a)
    sighting = None if points is None else _seen(points, graph.relative(a, b), picture(a),
                                                 picture(b), graph.keyframes[b].camera, config)
    if sighting is None:
        return torch.zeros(0, 2)
    graph.sightings[a, b] = sighting
    return sighting.pixels


def _seen(points: Points, T_ba: Tensor, image_a: np.ndarray, image_b: np.ndarray,
          camera_b: PinholeCamera, config: MatchingConfig) -> Sighting | None:
    """Where another view sees a keyframe's points, if it sees any; ``T_ba`` is a guess."""
    if not len(points.rays):
        return None
    x_b = se3.act(T_ba, points.rays * points.log_depth.exp()[:, None])
    guess, _ = camera_b.project(x_b)
    found, kept = follow(image_a, image_b, points.pixels, guess, config)
    index = kept.nonzero()[:, 0]
    index = index[agreeing(points.rays[index], found[index], camera_b, config)]
    return Sighting(index, found[index]) if len(index) else None


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


def agreeing(rays_a: Tensor, pixels_b: Tensor, camera_b: PinholeCamera,
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
