"""Images of other keyframes put a wrong depth right, where the camera moved and they have texture;
elsewhere it stays."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scenecode.networks.classes import NYU13
from scenecode.networks.prediction import Prediction
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import proximity_from_depth
from scenecode.slam.config.fusion import FusionConfig, RefinementConfig
from scenecode.slam.dense.edges import smoothed
from scenecode.slam.dense.multi_view_depth import (
    HYPOTHESES,
    LARGEST_FACTOR,
    finer_depth,
    multi_view_depth,
)
from scenecode.slam.dense.view_choice import MIN_PARALLAX, choose_views
from scenecode.slam.fusion.map_fusion import Fusion
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.snapshot import depth_confidence

CAMERA = PinholeCamera(90.0, 90.0, 47.5, 35.5, 96, 72)
SHAPE = (72, 96)
#: A wall in front of which a box's face fills x < 0, and how the network is wrong about them.
WALL, BOX, WRONG_WALL, WRONG_BOX = 3.0, 2.0, 1.12, 0.85
NO_CORRECTIONS = torch.zeros(9, 12)


def texture(x, y, seed):
    """Waves of many directions, between 0 and 1."""
    rng = np.random.default_rng(seed)
    waves = sum(np.sin(a * x + b * y + c) for a, b, c in rng.normal(0, 14, (12, 3)))
    return 0.5 + 0.5 * np.tanh(waves / 3)


def seen(T_world_cam, plain):
    """Image (3, H, W) and depth (H, W) of the scene, by casting rays."""
    rays = (CAMERA.rays(CAMERA.pixel_grid(torch.float64)) @ T_world_cam[:3, :3].double().T).numpy()
    centre = T_world_cam[:3, 3].double().numpy()
    depth, grey = ((WALL - centre[2]) / rays[:, 2], np.full(len(rays), 0.5))
    on_box = centre[0] + (BOX - centre[2]) / rays[:, 2] * rays[:, 0] < 0
    depth = np.where(on_box, (BOX - centre[2]) / rays[:, 2], depth)
    points = centre + depth[:, None] * rays
    for seed, surface in enumerate((on_box, ~on_box)):
        shade = 0.6 * texture(points[:, 0], points[:, 1], seed) + 0.3 * seed
        grey = np.where(surface, shade, grey)
    grey = np.where(on_box & plain, 0.5, grey)
    image = torch.from_numpy(grey.reshape(1, *SHAPE)).float().expand(3, *SHAPE)
    return image, torch.from_numpy(depth.reshape(SHAPE)).float()


def graph_of(*poses, plain=False):
    """Keyframes of the scene; the box is ``plain`` or has a texture as the wall."""
    graph = KeyframeGraph()
    for n, T in enumerate(poses):
        image, depth = seen(T, plain)
        wrong = depth * torch.where(depth < (BOX + WALL) / 2, WRONG_BOX, WRONG_WALL)
        prox = proximity_from_depth(wrong, 2.0)
        prediction = Prediction(prox_zero=prox, prox_J_code=prox.new_zeros(0, *SHAPE),
                                prox_b=torch.full_like(prox, 0.02),
                                logits_zero=torch.zeros(len(NYU13), *SHAPE),
                                logits_J_code=prox.new_zeros(len(NYU13), 0, *SHAPE),
                                classes=NYU13, average_depth=2.0)

        class Known:
            @staticmethod
            def predict(image, camera, prediction=prediction):
                return prediction

        keyframe = make_keyframe(Frame(index=n, timestamp=n / 30, image=image, camera=CAMERA), T,
                                 WorkingMemory(Known))
        graph.add(keyframe, keyframe.initial_state())
        for other in range(n):
            graph.link(n, other)
    return graph


def moved(x, y=0.0, yaw=0.0):
    return se3.exp(torch.tensor([x, y, 0.0, 0.0, yaw, 0.0]))


MOVING = (moved(0.0), moved(0.6), moved(-0.6), moved(0.2, 0.6), moved(0.8, -0.4))


def true_depth(graph, number=0):
    return seen(graph.states[number].T_world_cam, False)[1]


def coded_depth(graph):
    return graph.keyframes[0].depth(graph.states[0].code_depth)


def within(depth, truth, part=slice(None)):
    return float(((depth / truth - 1).abs() < 0.04)[:, part].float().mean())


@pytest.fixture(scope="module")
def moving():
    return graph_of(*MOVING)


def test_a_wrong_depth_is_put_right_on_both_sides_of_an_edge(moving):
    found = multi_view_depth(moving, 0, NO_CORRECTIONS)
    truth, coded = true_depth(moving), coded_depth(moving)
    depth = coded * found.log_factor.exp()
    assert within(coded, truth) == 0 and within(depth, truth) > 0.85
    assert 0 not in found.views and set(found.views) <= {1, 2, 3, 4}


def test_depth_is_exact_to_a_part_of_a_step_of_the_first_sweep(moving):
    found = multi_view_depth(moving, 0, NO_CORRECTIONS)
    truth = true_depth(moving)
    error = (coded_depth(moving) * found.log_factor.exp() / truth).log().abs()
    assert 0.02 == pytest.approx(2 * LARGEST_FACTOR / (HYPOTHESES - 1))
    assert float(error.median()) < 0.0025 and float((error < 0.01).float().mean()) > 0.93
    # and one that is 4 % wrong everywhere is put right
    finer = finer_depth(moving, 0, 1.04 * truth, found.views)
    assert float((finer / truth).log().abs().median()) < 0.0025


def test_the_uncertain_pixels_are_the_wrong_ones(moving):
    found = multi_view_depth(moving, 0, NO_CORRECTIONS)
    truth = true_depth(moving)
    depth = coded_depth(moving) * found.log_factor.exp()
    confidence = depth_confidence(depth.numpy(), (depth * found.log_std).numpy())
    right = ((depth / truth - 1).abs() < 0.1).numpy()
    assert right[confidence > 0.5].mean() > 0.95 > right.mean() or right.mean() > 0.99
    assert (confidence > 0.5).mean() > 0.5
    assert right[confidence < 0.3].mean() < right[confidence > 0.5].mean()


def test_a_camera_that_only_turns_leaves_the_depth_of_the_code():
    graph = graph_of(moved(0.0), moved(0.0, yaw=0.1), moved(0.0, yaw=-0.1), moved(0.005))
    assert multi_view_depth(graph, 0, NO_CORRECTIONS) is None
    shown = Fusion(FusionConfig())
    shown.update(graph)
    assert shown.keyframe_views()[0].depth == pytest.approx(
        coded_depth(graph).numpy(), rel=1e-3)


def test_far_keyframes_do_not_change_which_views_are_chosen(moving):
    chosen = choose_views(moving, 0)
    graph = moving.frozen()
    for n in range(100, 120):
        graph.keyframes[n] = graph.keyframes[1]
        graph.states[n] = replace(graph.states[1], T_world_cam=moved(n))
    graph.geometry(0)
    again = choose_views(graph, 0)
    assert again.numbers == chosen.numbers and torch.equal(again.parallax, chosen.parallax)
    assert all(MIN_PARALLAX <= p for p in chosen.parallax.tolist())


def test_without_texture_the_shape_of_the_code_stays():
    """The box has none: where it is follows from its edge at most, that it is flat remains."""
    graph = graph_of(*MOVING, plain=True)
    found = multi_view_depth(graph, 0, NO_CORRECTIONS)
    inside = found.log_factor[10:-10, 6:34]
    assert float(inside.std()) < 0.03 and float(inside.abs().max()) < 0.25
    textured = multi_view_depth(graph_of(*MOVING), 0, NO_CORRECTIONS)
    assert float(found.log_std[10:-10, 6:34].median()) \
        > float(textured.log_std[10:-10, 6:34].median())


def test_the_map_shows_depth_from_images_once_poses_are_settled(moving):
    fusion, truth = Fusion(FusionConfig()), true_depth(moving)
    graph = moving.frozen()
    graph.active = [3, 4]
    fusion.set_map(graph)
    assert fusion.unmatched == (2, 1, 0)
    fusion.update(graph, settled=False)
    before = torch.from_numpy(fusion.keyframe_views()[0].depth)
    fusion.update(graph)
    view = fusion.keyframe_views()[0]
    assert within(before, truth) < 0.1 and within(torch.from_numpy(view.depth), truth) > 0.8
    assert fusion.unmatched == () and fusion.fuse_again == ()
    # depths stay while poses hold, and are matched again when they do not
    fusion.set_map(graph, settled=True)
    assert fusion.unmatched == ()
    # piece by piece it is the same, of the map at the beginning if another comes meanwhile
    piecewise = Fusion(FusionConfig())
    piecewise.set_map(graph, settled=True)
    first = piecewise.unmatched[0]
    for _ in range(3):
        piecewise.match_a_piece()
    assert not piecewise.matched
    piecewise.set_map(graph.frozen(), settled=True)
    while piecewise.unmatched:
        piecewise.match_a_piece()
    assert next(iter(piecewise.matched)) == first
    for n, known in piecewise.matched.items():
        assert known.depth.log_factor.data == fusion.matched[n].depth.log_factor.data
    # as do those that another fusion takes over, of which none is lost with a link
    later, fewer = Fusion(FusionConfig(), fusion.matched), graph.frozen()
    fewer.links -= {(0, 1), (1, 0)}
    later.update(fewer)
    assert later.matched is fusion.matched
    assert np.array_equal(later.keyframe_views()[0].depth, view.depth)
    other = graph.frozen()
    other.correct(torch.stack([moved(0.0), moved(0.7), *map(moved, (-0.6, 0.2, 0.8))]),
                  torch.zeros(5))
    fusion.set_map(other, settled=True)
    assert 0 in fusion.unmatched and 1 in fusion.unmatched
    off = Fusion(FusionConfig(refinement=RefinementConfig(method="none")))
    off.update(graph)
    assert within(torch.from_numpy(off.keyframe_views()[0].depth), truth) < 0.1


def test_smoothing_stops_at_edges_of_colour():
    image = np.zeros((12, 16, 3), np.float32)
    image[:, 8:] = 1.0
    rng = np.random.default_rng(0)
    true = np.where(np.arange(16) < 8, 0.0, 0.3)[None].repeat(12, 0)
    noisy = true + 0.02 * rng.standard_normal((12, 16))
    result = smoothed(image, noisy, np.full((12, 16), 0.02))
    assert np.abs(result - true).std() < 0.5 * np.abs(noisy - true).std()
    assert abs(result[:, 8].mean() - 0.3) < 0.02 and abs(result[:, 7].mean()) < 0.02
