"""Fused points: on the surface, agreed upon, downsampled, labelled by all who see them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.wall_and_box import BOX, LABELS, WALL, graph_of, pose, surface

from scenecode.networks.classes import NYU13
from scenecode.slam.config.fusion import FusionConfig
from scenecode.slam.fusion.map_fusion import (
    Fusion,
    consistent_points,
    fused_labels,
    keyframe_label_view,
    keyframe_view,
    voxel_downsample,
)
from scenecode.slam.map.graph import KeyframeGraph

CONFIG = FusionConfig(level=0)


def points_of(graph, number, config=CONFIG):
    own, *others = (keyframe_label_view(graph.keyframes[n], graph.states[n], config.level)
                    for n in (number, *graph.neighbours(number)))
    return consistent_points(graph.keyframes[number], own, fused_labels(own, others, config),
                             config)


POSES = (pose(), pose(0.2), pose(0.1, 0.05))


def off_surface(points):
    """Distance (N,) in metres to the nearer of the two planes."""
    z = torch.as_tensor(points)[:, 2]
    return torch.minimum((z - WALL).abs(), (z - BOX).abs())


def test_points_that_views_agree_on_lie_on_the_surface():
    cloud = Fusion(CONFIG).cloud(graph_of(*POSES))
    assert len(cloud.points) > 1500
    assert off_surface(cloud.points).max() < 0.01
    assert set(np.unique(cloud.labels)) == set(LABELS.values())
    right = np.where(np.abs(cloud.points[:, 2] - WALL) < 0.5, LABELS[WALL], LABELS[BOX])
    assert (cloud.labels == right).mean() > 0.99
    assert cloud.points.dtype == np.float32 and cloud.colours.dtype == np.uint8
    assert (cloud.colours == 64).all()
    assert cloud.confidence.min() > 0 and cloud.confidence.max() <= 1


def test_view_that_disagrees_is_left_out():
    graph = graph_of(*POSES, wrong_depth=1)
    parts = [points_of(graph, n) for n in range(3)]
    kept = [len(p.points) for p in parts]
    assert kept[1] < 0.05 * min(kept[0], kept[2])
    assert off_surface(Fusion(CONFIG).cloud(graph).points).max() < 0.1


def test_two_views_that_disagree_leave_nothing():
    graph = graph_of(pose(), pose(), wrong_depth=1)
    assert len(Fusion(CONFIG).cloud(graph).points) == 0


def test_single_keyframe_is_shown_unconfirmed():
    cloud = Fusion(CONFIG).cloud(graph_of(pose()))
    assert len(cloud.points) > 1000 and off_surface(cloud.points).max() < 0.01


def test_uncertain_points_are_left_out():
    assert len(Fusion(CONFIG).cloud(graph_of(*POSES, b=0.5)).points) == 0


def test_labels_of_all_confirming_views_count():
    """Two views outvote one."""
    graph = graph_of(*POSES, wrong_labels=0)
    points = points_of(graph, 0)
    tv = NYU13.names.index("tv")
    by_all = points.probabilities.argmax(1) != tv
    assert by_all.float().mean() > 0.8


def test_a_keyframe_shows_the_labels_that_it_shares_with_others():
    graph, tv = graph_of(*POSES, wrong_labels=0), NYU13.names.index("tv")
    shared = Fusion(CONFIG).keyframe_views(graph)[0]
    alone = Fusion(replace(CONFIG, labels="none")).keyframe_views(graph)[0]
    assert (alone.labels == tv).all() and (shared.labels != tv).mean() > 0.8
    _, true = surface(POSES[0])
    outvoted = shared.labels != tv
    assert (shared.labels == true.numpy())[outvoted].mean() > 0.98


def test_a_view_changes_with_its_neighbours():
    graph = graph_of(*POSES)
    fusion = Fusion(CONFIG)
    before = fusion.keyframe_views(graph)
    graph.states[1] = replace(graph.states[1], T_world_cam=pose(0.3))
    after = fusion.keyframe_views(graph)
    assert all(a is not b for a, b in zip(before, after))
    assert fusion.keyframe_views(graph) == after


def test_points_follow_their_keyframe_and_the_unchanged_are_not_made_again():
    graph = graph_of(pose(), pose(0.1))
    graph.links.clear()
    fusion = Fusion(CONFIG)
    fusion.cloud(graph)
    before = [fusion.keyframe_points(graph, n) for n in range(2)]
    views = fusion.keyframe_views(graph)
    graph.states[1] = replace(graph.states[1], T_world_cam=pose(0.6))
    fusion.cloud(graph)
    after = [fusion.keyframe_points(graph, n) for n in range(2)]
    assert after[0] is before[0]
    shift = after[1].points - before[1].points
    torch.testing.assert_close(shift, torch.tensor([0.5, 0, 0]).expand_as(shift), atol=1e-5,
                               rtol=0)
    again = fusion.keyframe_views(graph)
    assert again[0] is views[0] and again[1] is not views[1]


def test_downsampling_keeps_the_mean_of_each_cell():
    points = torch.tensor([[0.1, 0.1, 0.1], [0.3, 0.1, 0.1], [0.9, 0.9, 0.9], [-0.1, 0.1, 0.1]])
    colours = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    probabilities = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.5, 0.5]])
    cloud = voxel_downsample(points, colours, probabilities, size=0.5)
    assert len(cloud.points) == 3
    row = {tuple(np.floor(p / 0.5).astype(int)): i for i, p in enumerate(cloud.points)}
    first = row[0, 0, 0]
    assert cloud.points[first] == pytest.approx([0.2, 0.1, 0.1])
    assert cloud.colours[first].tolist() == [128, 0, 0]
    assert cloud.labels[first] == 0 and cloud.confidence[first] == pytest.approx(0.65)
    assert cloud.labels[row[1, 1, 1]] == 1 and (-1, 0, 0) in row


def test_voxel_size_bounds_the_number_of_points():
    graph = graph_of(*POSES)
    fine, coarse = (len(Fusion(replace(CONFIG, voxel=v)).cloud(graph).points)
                    for v in (0.005, 0.05))
    assert coarse < 0.3 * fine


def test_empty_graph_gives_an_empty_cloud():
    fusion = Fusion(CONFIG)
    assert len(fusion.cloud(KeyframeGraph()).points) == 0
    assert fusion.keyframe_views(KeyframeGraph()) == ()


def test_keyframe_view_shares_no_memory_with_the_live_keyframe():
    graph = graph_of(pose())
    view = keyframe_view(graph.keyframes[0], graph.states[0])
    graph.keyframes[0].rgb.zero_()
    graph.states[0].T_world_cam.zero_()
    assert (view.image == 64).all() and np.array_equal(view.T_world_cam, np.eye(4))
    assert view.depth.shape == view.labels.shape == (48, 64) and view.labels.dtype == np.uint8
    assert view.depth_std == pytest.approx(2 ** 0.5 * 0.005 * (2 + view.depth) ** 2 / 2, rel=1e-5)


@pytest.mark.parametrize("labels", ["multiplication", "average", "code"])
def test_every_way_of_fusing_labels_serves_the_live_map(labels):
    """Also with a network without codes, as here."""
    graph = graph_of(*POSES, wrong_labels=0)
    points = points_of(graph, 0, replace(CONFIG, labels=labels))
    assert len(points.points) > 500
    by_all = points.probabilities.argmax(1) != NYU13.names.index("tv")
    assert by_all.float().mean() > 0.8
    torch.testing.assert_close(points.probabilities.sum(1), torch.ones(len(points.points)))
