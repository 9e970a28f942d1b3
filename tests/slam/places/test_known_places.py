"""Places are recognised among keyframes, by pose and by features; others are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.walks import SMALL, small_config, walk, with_image

from scenecode.optim.geometry import se3
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.places.known_places import KnownPlaces
from scenecode.slam.places.view_overlap import CoarseViews

CONFIG = small_config()


def graph_of(frames, every):
    """Keyframes of true depth at their true poses."""
    graph, memory = KeyframeGraph(), WorkingMemory(ExactPredictor(frames, depth_error=0.0))
    for frame in frames[::every]:
        keyframe = make_keyframe(frame, frame.truth.T_world_cam.float(), memory)
        graph.add(keyframe, keyframe.initial_state())
    return graph


@pytest.fixture(scope="module")
def graph(small_walk):
    """Keyframes of the frames 0, 10, ... 50."""
    return graph_of(small_walk, 10)


@pytest.fixture
def places():
    return KnownPlaces(CONFIG.tracking, CONFIG.keyframes, CONFIG.mapping.loops.min_votes)


def true_pose(frame):
    return frame.truth.T_world_cam.float()


def error(graph, match, frame):
    """Metres between the pose that a match gives and the true one."""
    T = graph.states[match.keyframe].T_world_cam @ match.T_key_frame
    return float((T[:3, 3] - true_pose(frame)[:3, 3]).norm())


@pytest.mark.parametrize("index", [1, 21, 39])
def test_frame_near_a_keyframe_is_found_by_its_pose(places, graph, small_walk, index):
    frame = small_walk[index]
    shift = se3.exp(torch.tensor([0.01, 0.0, -0.01, 0.005, 0.0, 0.005]))
    match = places.find(graph, frame, true_pose(frame) @ shift)
    assert match.keyframe == round(index / 10) == match.reference.keyframe
    assert error(graph, match, frame) < 0.006 and match.num_inliers >= 15


def test_frame_that_would_soon_want_a_keyframe_is_not_answered_by_a_known_one(places, graph,
                                                                              small_walk):
    """So that tracking does not go to and fro between requests and answers."""
    frame = small_walk[5]
    limits = replace(CONFIG.keyframes, max_translation=0.01)
    strict = KnownPlaces(CONFIG.tracking, limits, CONFIG.mapping.loops.min_votes)
    assert strict.find(graph, frame, true_pose(frame)) is None


def test_excluded_keyframe_is_not_found(places, graph, small_walk):
    frame = small_walk[21]
    assert places.find(graph, frame, true_pose(frame), {1, 2, 3}) is None


@pytest.mark.parametrize("index", [3, 27, 44])
def test_frame_without_a_pose_is_found_in_the_whole_map(places, graph, small_walk, index):
    frame = small_walk[index]
    match = places.find(graph, frame, None)
    assert match is not None and error(graph, match, frame) < 0.01
    torch.testing.assert_close(se3.inverse(match.T_key_frame), match.alignment.T_ba)


def test_frame_is_found_where_the_pose_has_drifted(places, graph, small_walk):
    """The caller compares the pose of the match with its own."""
    frame = small_walk[21]
    drifted = se3.exp(torch.tensor([1.0, 0.0, 1.0, 0.0, 0.5, 0.0])) @ true_pose(frame)
    match = places.find(graph, frame, drifted)
    assert match.keyframe == 2 and error(graph, match, frame) < 0.006


@pytest.mark.parametrize("seed", [2, 5, 9])
def test_another_room_is_refused(places, graph, seed):
    for frame in walk(seed, 40, *SMALL)[::8]:
        assert places.find(graph, frame, None) is None
        assert places.find(graph, frame, true_pose(frame)) is None


def test_same_textures_in_another_arrangement_are_refused(places, graph, small_walk):
    frame = small_walk[20]
    tiles = [part for row in frame.image.split(32, 1) for part in row.split(32, 2)]
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(tiles))
        rows = [torch.cat([tiles[i] for i in order[r:r + 4]], 2) for r in range(0, 12, 4)]
        shuffled = with_image(frame, torch.cat(rows, 1))
        assert places.find(graph, shuffled, None) is None
        assert places.find(graph, shuffled, true_pose(frame)) is None


def test_keyframes_that_left_the_map_are_forgotten_and_new_ones_found(places, small_walk):
    graph = graph_of(small_walk[:21], 10)
    frame = small_walk[21]
    assert places.find(graph, frame, None).keyframe == 2
    del graph.keyframes[2], graph.states[2]
    found = places.find(graph, frame, true_pose(frame))
    assert found is None


def test_camera_of_other_focal_length_is_found_with_its_own(places, graph, small_walk):
    """A map can be continued with another camera: the image's middle, enlarged."""
    frame = small_walk[20]
    height, width = frame.image.shape[1:]
    image = torch.nn.functional.interpolate(
        frame.image[None, :, height // 8:-height // 8, width // 8:-width // 8], (height, width),
        mode="bilinear", align_corners=False)[0]
    camera = frame.camera.cropped(width // 8, height // 8, width * 3 // 4, height * 3 // 4)
    near = replace(frame, image=image, camera=camera.resized(width, height))
    match = places.find(graph, near, None)
    assert match is not None and error(graph, match, frame) < 0.02


def test_overlap_of_coarse_views_is_that_of_all_pixels(graph, small_walk):
    views = CoarseViews()
    views.update(graph, [*range(6)])
    for index in (0, 23, 55):
        frame = small_walk[index]
        found = views.overlaps(true_pose(frame), frame.camera)
        for n in range(6):
            T = se3.inverse(graph.states[n].T_world_cam) @ true_pose(frame)
            depth = graph.median_depth(n)
            assert float(found.translation[n]) == pytest.approx(
                float(T[:3, 3].norm()) / depth, rel=0.1, abs=1e-6)
        exact = [graph.overlap(n, 2, 0) for n in range(6)]
        seen = views.overlaps(graph.states[2].T_world_cam, frame.camera).overlap
        for n in range(6):
            both = min(exact[n], graph.overlap(2, n, 0))
            assert float(seen[n]) == pytest.approx(both, abs=0.12)
