"""Corners: detected at a distance from each other, tracked exactly, outliers rejected."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.walks import SMALL, walk

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.imaging.image import intensity
from scenecode.optim.imaging.lookup import sample_view
from scenecode.slam.config.mapping import LandmarkConfig, MappingConfig
from scenecode.slam.features.klt import KltConfig, detect_corners, epipolar_inliers, track_corners
from scenecode.slam.features.orb import grey
from scenecode.slam.mapping.mapper import Mapper

CONFIG = KltConfig()
CAMERA = PinholeCamera(120.0, 120.0, 63.5, 47.5, 128, 96)


@pytest.fixture(scope="module")
def mapper(small_walk):
    """Four keyframes at their true poses, whose depth is a little wrong."""
    frames = small_walk[0:32:8]
    made = Mapper(MappingConfig(), ExactPredictor(frames))
    for frame in frames:
        made.insert(frame, frame.truth.T_world_cam.float())
    return made


def test_corners_keep_their_distance_from_each_other_and_from_occupied_pixels(small_walk):
    image = grey(intensity(small_walk[0].image))
    found = detect_corners(image, torch.zeros(0, 2), CONFIG)
    assert len(found) > 40
    assert torch.pdist(found).min() >= CONFIG.min_distance
    more = detect_corners(image, found[:20], CONFIG)
    assert torch.cdist(found[:20], more).min() >= CONFIG.min_distance
    assert len(more) <= CONFIG.max_corners - 20


def test_a_blank_image_has_no_corners():
    blank = np.full((96, 128), 90, np.uint8)
    assert detect_corners(blank, torch.zeros(0, 2), CONFIG).shape == (0, 2)


def test_no_new_corners_once_there_are_enough(small_walk):
    config = replace(CONFIG, max_corners=10)
    image, occupied = grey(intensity(small_walk[0].image)), torch.rand(10, 2) * 90
    assert not len(detect_corners(image, occupied, config))


def test_corners_of_a_shifted_image_are_tracked_to_a_tenth_of_a_pixel(small_walk):
    image = grey(intensity(small_walk[0].image))
    moved = np.roll(image, (2, 5), (0, 1))
    pixels = detect_corners(image, torch.zeros(0, 2), CONFIG)
    pixels = pixels[(pixels[:, 0] < 110) & (pixels[:, 1] < 80)]
    found, kept = track_corners(image, moved, pixels, pixels + torch.tensor([4.0, 0.0]), CONFIG)
    assert kept.float().mean() > 0.8
    error = (found - pixels - torch.tensor([5.0, 2.0]))[kept].norm(dim=1)
    assert error.quantile(0.9) < 0.1


def test_corners_that_are_not_tracked_back_are_rejected(small_walk):
    noise = np.random.default_rng(0).integers(0, 255, (96, 128)).astype(np.uint8)
    pixels = detect_corners(grey(intensity(small_walk[0].image)), torch.zeros(0, 2), CONFIG)
    _, kept = track_corners(grey(intensity(small_walk[0].image)), noise, pixels, pixels, CONFIG)
    assert kept.float().mean() < 0.3


def test_outliers_of_the_essential_matrix_are_rejected():
    g = torch.Generator().manual_seed(5)
    pixels = torch.rand(80, 2, generator=g) * torch.tensor([127.0, 95.0])
    depth = 1.5 + 2 * torch.rand(80, 1, generator=g)
    T_ba = se3.exp(torch.tensor([0.2, 0.05, -0.1, 0.02, -0.05, 0.03]))
    found, _ = CAMERA.project(se3.act(T_ba, CAMERA.rays(pixels) * depth))
    found[:20] += 15 * torch.randn(20, 2, generator=g)
    kept = epipolar_inliers(CAMERA.rays(pixels), found, CAMERA, CONFIG)
    assert kept[20:].float().mean() > 0.95 and kept[:20].float().mean() < 0.3


def test_too_few_matches_have_no_inliers():
    assert not epipolar_inliers(torch.rand(5, 3), torch.rand(5, 2), CAMERA, CONFIG).any()


def test_observations_are_where_true_depth_and_pose_project_the_landmarks(mapper):
    graph, errors = mapper.graph, []
    for (a, b), seen in graph.observations.items():
        truth = graph.keyframes[a].truth
        pixels = graph.landmarks[a].pixels[seen.index]
        depth = sample_view(truth.depth[..., None], pixels)
        T_world_b = graph.keyframes[b].truth.T_world_cam.float()
        T_ba = se3.inverse(T_world_b) @ truth.T_world_cam.float()
        expected, _ = graph.keyframes[b].camera.project(
            se3.act(T_ba, graph.landmarks[a].rays[seen.index] * depth))
        errors.append((expected - seen.pixels).norm(dim=1))
    assert {(0, 1), (0, 2), (0, 3), (1, 0), (2, 1)} <= set(graph.observations)
    # textures of so small a picture flicker; at full size half are within a third of a pixel
    assert torch.cat(errors).median() < 0.8


def test_tracked_landmarks_take_the_place_of_new_ones(mapper):
    graph = mapper.graph
    counts = [len(points.rays) for points in graph.landmarks.values()]
    seen_in_1 = len(graph.observations[0, 1].index)
    assert seen_in_1 > 30 and counts[1] <= CONFIG.max_corners - seen_in_1
    assert len(graph.landmarks) == len(graph)


def test_mapping_works_without_landmarks(small_walk):
    config = MappingConfig(landmarks=LandmarkConfig(per_keyframe=0))
    frames = walk(1, 1, *SMALL)
    made = Mapper(config, ExactPredictor(frames))
    made.insert(frames[0], torch.eye(4))
    assert not made.graph.landmarks and not made.graph.observations
