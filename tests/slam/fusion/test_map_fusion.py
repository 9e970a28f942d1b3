"""Fused points: on the surface, agreed upon, downsampled, labelled by all who see them; and made
again only where something changed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from support.wall_and_box import BOX, LABELS, WALL, graph_of, pose, surface

from scenecode.networks.classes import NYU13
from scenecode.optim.geometry import se3
from scenecode.slam.config.fusion import FusionConfig, RefinementConfig
from scenecode.slam.fusion import map_fusion
from scenecode.slam.fusion.fusion_inputs import ANGLE_TOLERANCE, TRANSLATION_TOLERANCE
from scenecode.slam.fusion.map_fusion import Fusion
from scenecode.slam.map.graph import KeyframeGraph

CONFIG = FusionConfig(level=0, refinement=RefinementConfig(method="landmarks"))
POSES = (pose(), pose(0.2), pose(0.1, 0.05))


def fused(graph, config=CONFIG):
    fusion = Fusion(config)
    fusion.update(graph.frozen())
    return fusion


def cloud_of(graph, config=CONFIG):
    return fused(graph, config).cloud


def points_of(graph, number, config=CONFIG):
    """The points of one keyframe."""
    return fused(graph, config).keyframe_views()[number].maps.points(np.eye(4))


def resting(graph, *active):
    graph.active[:] = active
    return graph


@pytest.fixture
def fusions(monkeypatch):
    """How often keyframes were fused, by number of others that each was fused with."""
    calls, original = [], map_fusion.fused_labels

    def counted(own, others, config):
        calls.append(len(others))
        return original(own, others, config)

    monkeypatch.setattr(map_fusion, "fused_labels", counted)
    return calls


def off_surface(points):
    """Distance (N,) in metres to the nearer of the two planes."""
    z = torch.as_tensor(points)[:, 2]
    return torch.minimum((z - WALL).abs(), (z - BOX).abs())


def assert_same_cloud(a, b):
    assert a.chunks.keys() == b.chunks.keys()
    for name in ("points", "colours", "labels", "confidence"):
        assert all(np.array_equal(getattr(chunk, name), getattr(b.chunks[key], name))
                   for key, chunk in a.chunks.items())


def test_points_that_views_agree_on_lie_on_the_surface():
    cloud = cloud_of(graph_of(*POSES))
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
    kept = [len(points_of(graph, n)) for n in range(3)]
    assert kept[1] < 0.05 * min(kept[0], kept[2])
    assert off_surface(cloud_of(graph).points).max() < 0.1


def test_two_views_that_disagree_leave_nothing():
    assert len(cloud_of(graph_of(pose(), pose(), wrong_depth=1)).points) == 0


def test_single_keyframe_is_shown_unconfirmed():
    cloud = cloud_of(graph_of(pose()))
    assert len(cloud.points) > 1000 and off_surface(cloud.points).max() < 0.01


def test_uncertain_points_are_left_out():
    assert len(cloud_of(graph_of(*POSES, b=0.5)).points) == 0


def test_labels_of_all_confirming_views_count():
    """Two views outvote one."""
    points = points_of(graph_of(*POSES, wrong_labels=0), 0)
    assert (points.labels != NYU13.names.index("tv")).mean() > 0.8


def test_a_keyframe_shows_the_labels_that_it_shares_with_others():
    graph, tv = graph_of(*POSES, wrong_labels=0), NYU13.names.index("tv")
    shared = fused(graph).keyframe_views()[0].labels
    alone = fused(graph, replace(CONFIG, labels="none")).keyframe_views()[0].labels
    assert (alone == tv).all() and (shared != tv).mean() > 0.8
    _, true = surface(POSES[0])
    assert (shared == true.numpy())[shared != tv].mean() > 0.98


def test_a_view_changes_with_its_neighbours():
    graph = graph_of(*POSES)
    fusion = fused(graph)
    before = fusion.keyframe_views()
    graph.states[1] = replace(graph.states[1], T_world_cam=pose(0.3))
    fusion.update(graph.frozen())
    after = fusion.keyframe_views()
    assert all(before[n].maps is not after[n].maps for n in range(3))
    fusion.update(graph.frozen())
    assert all(fusion.keyframe_views()[n] is after[n] for n in range(3))


def test_points_follow_their_keyframe_and_the_unchanged_are_not_made_again():
    graph = graph_of(pose(), pose(0.1))
    graph.links.clear()
    fusion = fused(graph)
    before = fusion.keyframe_views()
    graph.states[1] = replace(graph.states[1], T_world_cam=pose(0.6))
    fusion.update(graph.frozen())
    after = fusion.keyframe_views()
    assert after[0] is before[0]
    assert after[1].T_world_cam[0, 3] == pytest.approx(0.6)
    assert_same_cloud(fusion.cloud, fused(graph).cloud)


def test_a_map_that_moves_and_grows_as_a_whole_is_not_fused_again(fusions):
    graph = resting(graph_of(*POSES), 2)
    fusion = fused(graph)
    before = fusion.keyframe_views()
    fusions.clear()
    T = se3.exp(torch.tensor([0.5, -0.2, 0.1, 0.02, 0.3, -0.05]))
    poses = []
    for state in graph.states.values():
        moved = T @ state.T_world_cam
        moved[:3, 3] *= 1.1
        poses.append(moved)
    graph.correct(torch.stack(poses), torch.full((3,), float(np.log(1.1))))
    fusion.update(graph.frozen())
    after = fusion.keyframe_views()
    assert len(fusions) == 1    # the active one
    for n in (0, 1):
        np.testing.assert_allclose(after[n].depth, 1.1 * before[n].depth, rtol=1e-5)
        assert np.array_equal(after[n].labels, before[n].labels)
    # the points are where a map that is made anew, of cells of the same size, has them
    anew = cloud_of(graph, replace(CONFIG, voxel=CONFIG.voxel / 1.1))
    assert abs(len(anew) - len(fusion.cloud)) < 0.01 * len(anew)
    distances, _ = cKDTree(anew.points).query(fusion.cloud.points)
    assert np.quantile(distances, 0.95) < 1e-3


@pytest.mark.parametrize("share, again", [(0.3, 0), (3.0, 3)])
def test_a_resting_keyframe_is_fused_again_when_a_neighbour_has_moved_enough(share, again,
                                                                             fusions):
    graph = resting(graph_of(*POSES))
    fusion = fused(graph)
    fusions.clear()
    depth = graph.median_depth(0)
    for _ in range(5):      # small steps add up
        step = torch.tensor([share / 5 * TRANSLATION_TOLERANCE * depth, 0, 0,
                             0, share / 5 * ANGLE_TOLERANCE / 2, 0])
        graph.states[2] = replace(graph.states[2],
                                  T_world_cam=graph.states[2].T_world_cam @ se3.exp(step))
        fusion.update(graph.frozen())
    assert len(fusions) >= again and (again or not fusions)


def test_after_many_changes_the_cloud_is_that_of_a_map_fused_at_once():
    """Keyframes move, and one is culled; all have the same median depth, so that cells keep their
    size."""
    rng = torch.Generator().manual_seed(0)
    graph = graph_of(*(pose(0.1 + 0.05 * n) for n in range(5)))
    assert len({graph.median_depth(n) for n in range(5)}) == 1
    fusion = fused(graph)
    for step in range(12):
        number = int(torch.randint(len(graph), (1,), generator=rng))
        n = list(graph.keyframes)[number]
        shift = se3.exp(0.01 * torch.randn(6, generator=rng))
        graph.states[n] = replace(graph.states[n],
                                  T_world_cam=graph.states[n].T_world_cam @ shift)
        if step == 6:
            graph.rest(1)
            graph.cull(1, 0)
        fusion.update(graph.frozen())
    assert len(fusion.keyframe_views()) == 4
    assert_same_cloud(fusion.cloud, fused(graph).cloud)


def test_another_map_replaces_the_one_before():
    """The numbers of its keyframes begin anew, too."""
    fusion = fused(graph_of(*POSES))
    other = graph_of(pose(0.3))
    other.keyframes[0] = replace(other.keyframes[0], frame_index=77)
    fusion.update(other.frozen())
    assert [view.frame_index for view in fusion.keyframe_views().values()] == [77]
    assert_same_cloud(fusion.cloud, fused(other).cloud)


def test_small_moves_of_points_wait_until_they_add_up():
    graph = graph_of(pose(0.1), pose(0.2))
    fusion, edge = fused(graph), CONFIG.voxel * graph.median_depth(0)
    before = fusion.cloud

    def move(share):
        for n in range(2):
            T = graph.states[n].T_world_cam.clone()
            T[0, 3] += share * edge
            graph.states[n] = replace(graph.states[n], T_world_cam=T)
        fusion.set_map(graph.frozen())
        assert not fusion.fuse_again
        while fusion.place():
            pass

    move(0.2)
    assert fusion.cloud is before and fusion.keyframe_views()[1].T_world_cam[0, 3] > 0.2
    move(0.2)
    assert fusion.cloud is not before
    move(0.1)
    fusion.update(graph.frozen())
    assert_same_cloud(fusion.cloud, fused(graph).cloud)


def test_work_in_pieces_comes_to_the_same():
    graph = graph_of(*POSES)
    fusion = Fusion(CONFIG)
    fusion.set_map(graph.frozen())
    assert fusion.never_fused == (2, 1, 0) and fusion.fuse_again == ()
    assert not fusion.keyframe_views() and not fusion.place()
    fusion.fuse(2)
    fusion.place(1)
    assert list(fusion.keyframe_views()) == [2] and len(fusion.cloud) > 500
    for number in fusion.never_fused:
        fusion.fuse(number)
    while fusion.place(1):
        pass
    assert_same_cloud(fusion.cloud, fused(graph).cloud)


def test_cells_keep_their_size_until_depth_has_changed_enough():
    graph = resting(graph_of(*POSES))
    fusion = fused(graph)

    def grow(factor):
        poses = torch.stack([state.T_world_cam for state in graph.states.values()])
        poses[:, :3, 3] *= factor
        graph.correct(poses, torch.full((3,), float(np.log(factor))))
        fusion.update(graph.frozen())
        return len(fusion.cloud)

    before = len(fusion.cloud)
    assert grow(1.2) > before            # the surface grew, its cells did not
    assert grow(1.2) == pytest.approx(before, rel=0.02)


def test_only_views_in_use_are_kept_for_the_next_fusion():
    graph = resting(graph_of(*POSES), 2)
    graph.links.clear()
    graph.link(1, 2)
    fusion = fused(graph)
    fusion.set_map(graph.frozen())
    assert set(fusion._own_views.numbers) == {1, 2}


def test_voxel_size_bounds_the_number_of_points():
    graph = graph_of(*POSES)
    fine, coarse = (len(cloud_of(graph, replace(CONFIG, voxel=v))) for v in (0.005, 0.05))
    assert coarse < 0.3 * fine


def test_empty_graph_gives_an_empty_cloud():
    fusion = fused(KeyframeGraph())
    assert len(fusion.cloud.points) == 0 and not fusion.keyframe_views()


def test_a_view_shares_no_memory_with_the_live_keyframe():
    graph = graph_of(pose())
    view = fused(graph).keyframe_views()[0]
    graph.keyframes[0].rgb.zero_()
    graph.keyframes[0].prediction.prox_zero.zero_()
    graph.states[0].T_world_cam.zero_()
    assert (view.image == 64).all() and np.array_equal(view.T_world_cam, np.eye(4))
    assert view.depth.shape == view.labels.shape == (48, 64) and view.labels.dtype == np.uint8
    true, _ = surface(pose())
    np.testing.assert_allclose(view.depth, true.numpy(), rtol=1e-3)
    assert view.depth_std == pytest.approx(2 ** 0.5 * 0.005 * (2 + view.depth) ** 2 / 2, rel=2e-3)


@pytest.mark.parametrize("labels", ["average", "average_along_surfaces", "code", "code_alone"])
def test_every_way_of_fusing_labels_serves_the_live_map(labels):
    """Also with a network without codes, as here."""
    points = points_of(graph_of(*POSES, wrong_labels=0), 0, replace(CONFIG, labels=labels))
    assert len(points) > 500 and (points.labels != NYU13.names.index("tv")).mean() > 0.8
