"""The keyframe graph: numbers that stay, keyframes that rest, are culled and come back."""

import torch
from support.wall_and_box import graph_of, pose

from scenecode.slam.map.graph import Loop

KEY_CAM = pose(0.1, yaw=0.05)


def linked(*pairs, count=4):
    graph = graph_of(*(pose(0.1 * n) for n in range(count)))
    graph.links.clear()
    for a, b in pairs:
        graph.link(a, b)
    return graph


def test_numbers_of_culled_keyframes_are_not_used_again():
    graph = linked((0, 1), (1, 2), (2, 3))
    graph.rest(3)
    graph.cull(3, heir=2)
    assert list(graph.keyframes) == [0, 1, 2]
    added = graph.add(graph.keyframes[2], graph.states[2])
    assert added == 4 and graph.newest == 4 and len(graph) == 4


def test_frames_of_a_culled_keyframe_stay_where_they_were():
    graph = linked((0, 1), (1, 2), (2, 3))
    before = graph.pose_from_keyframe(2, KEY_CAM, graph.keyframes[2].scale)
    graph.rest(2)
    graph.cull(2, heir=1)
    assert graph.heir_of(2) == 1
    torch.testing.assert_close(graph.pose_from_keyframe(2, KEY_CAM, 1.0), before,
                               atol=1e-5, rtol=0)


def test_frames_of_a_culled_keyframe_move_and_scale_with_its_heir():
    graph = linked((0, 1), (1, 2), (2, 3))
    for number, heir in ((2, 1), (1, 0)):       # the heir is culled in its turn
        graph.rest(number)
        graph.cull(number, heir)
    before = graph.pose_from_keyframe(2, KEY_CAM, 1.0)
    shift = pose(0.7, yaw=0.3)
    poses = torch.stack([shift @ s.T_world_cam for s in graph.states.values()])
    graph.correct(poses, torch.tensor([0.4, 0.0]))
    after = graph.pose_from_keyframe(2, KEY_CAM, 1.0)
    origin = graph.states[0].T_world_cam
    expected = torch.linalg.inv(pose(0.0)) @ before
    expected[:3, 3] *= torch.tensor(0.4).exp()
    torch.testing.assert_close(torch.linalg.inv(origin) @ after, expected, atol=1e-5, rtol=0)


def test_culling_does_not_tear_the_graph_apart():
    graph = linked((0, 1), (1, 2), (2, 3))
    graph.rest(2)
    graph.cull(2, heir=1)
    assert graph.neighbours(3) == [1]
    assert (1, 3) in graph.absorbed_links, "the new link holds, and compares no images"
    assert not any(2 in pair for pair in graph.links | graph.absorbed_links)


def test_loops_of_a_culled_keyframe_end_at_its_heir():
    graph = linked((0, 1), (1, 2), (2, 3))
    T = graph.relative(3, 0)
    graph.loops = [Loop(older=0, newer=3, T_older_newer=T, log_scale=0.0, num_landmarks=50)]
    graph.rest(3)
    graph.cull(3, heir=2)
    loop, = graph.loops
    assert (loop.older, loop.newer) == (0, 2)
    torch.testing.assert_close(loop.T_older_newer, graph.relative(2, 0), atol=1e-5, rtol=0)


def test_keyframe_that_becomes_active_again_is_held_by_its_best_neighbours():
    graph = linked((3, 0), (3, 1), (3, 2))
    graph.absorbed_links = set(graph.links)
    for number in (3, 0, 1, 2):
        graph.rest(number)
    graph.activate(3, max_links=2)
    assert graph.active == [3]
    # 2 and 1 are nearest, so that they show most of what 3 shows
    assert graph.absorbed_links == {(3, 0), (0, 3)}


def test_coarse_depth_outlives_the_prediction(monkeypatch):
    graph = linked((0, 1))
    depth = graph.median_depth(0)
    graph.rest(0)
    graph.correct(torch.stack([s.T_world_cam for s in graph.states.values()]),
                  torch.tensor([0.2, 0, 0, 0]))
    monkeypatch.setattr(type(graph.keyframes[0]), "prediction", property(lambda self: 1 / 0))
    assert abs(graph.median_depth(0) / depth - 1.2214) < 1e-3
