"""Images without information: darkness, noise, pixels that are not numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor, cosine_maps
from support.walks import Playback, small_config, with_image

from scenecode.networks.classes import NYU13
from scenecode.networks.prediction import Prediction
from scenecode.slam.evaluation.scores import trajectory_errors
from scenecode.slam.system import System

BLACK_FRAMES = 40


def black(frame):
    return with_image(frame, torch.zeros_like(frame.image))


def noise(frame):
    g = torch.Generator().manual_seed(frame.index)
    return with_image(frame, torch.rand(frame.image.shape, generator=g))


def in_sequence(frames):
    """With indices and stamps of one sequence, at 30 frames per second."""
    return [replace(f, index=n, timestamp=n / 30) for n, f in enumerate(frames)]


def run(frames, predictor, threaded=False):
    system = System(small_config(), predictor, threaded=threaded)
    system.run(Playback(frames), realtime=False)
    return system, system.report


@pytest.mark.slow
@pytest.mark.parametrize("threaded", [False, True])
def test_darkness_loses_the_camera_but_not_the_map(small_walk, threaded):
    """The camera has gone back to where it was earlier when the light returns."""
    dark = [black(small_walk[30])] * BLACK_FRAMES
    frames = in_sequence([*small_walk[:24], *dark, *small_walk[4:14]])
    system, report = run(frames, ExactPredictor(frames), threaded)
    assert report["lost_spans"] == [[24, 24 + BLACK_FRAMES - 1]]
    assert report["tracked"] == 34 and report["coverage"] == 34 / len(frames)
    assert report["ate_m"] < 0.02 * report["path_length_m"]
    keyframes = [k.frame_index for k in system.graph.keyframes.values()]
    assert sum(index < 24 for index in keyframes) >= 2
    assert not [index for index in keyframes if 24 <= index < 24 + BLACK_FRAMES]
    assert len(system.recording.final(system.graph)) == 34


@pytest.mark.slow
def test_the_map_made_before_darkness_does_not_change(small_walk):
    before = in_sequence(small_walk[:24])
    frames = in_sequence([*before, *[black(small_walk[30])] * BLACK_FRAMES])
    predictor = ExactPredictor(frames)
    (short, _), (long, _) = run(before, predictor), run(frames, predictor)
    assert len(short.graph) == len(long.graph) >= 2
    for a, b in zip(short.graph.states.values(), long.graph.states.values()):
        assert torch.equal(a.T_world_cam, b.T_world_cam)
        assert torch.equal(a.code_depth, b.code_depth)


@pytest.mark.slow
@pytest.mark.parametrize("threaded", [False, True])
def test_a_map_that_began_with_a_useless_image_begins_again(small_walk, threaded, caplog):
    """As with a webcam whose first images are noise."""
    frames = in_sequence([noise(small_walk[0]), *small_walk[:26]])
    system, report = run(frames, ExactPredictor(frames), threaded)
    assert "a new map is started" in caplog.text
    first = system.graph.keyframes[0].frame_index
    limit = system.config.tracking.give_up_after
    assert limit <= first <= limit + 2 and report["unusable"] == list(range(first))
    assert report["tracked"] == len(frames) - first and report["lost_spans"] == []
    assert report["ate_m"] < 0.03 * report["path_length_m"]


@pytest.mark.slow
def test_a_map_whose_camera_was_tracked_is_kept_when_it_is_lost(small_walk):
    frames = in_sequence([*small_walk[:3], *[noise(small_walk[0])] * 40, *small_walk[:5]])
    system, report = run(frames, ExactPredictor(frames))
    assert system.graph.keyframes[0].frame_index == 0 and report["unusable"] == []
    assert report["lost_spans"] == [[3, 42]]


@pytest.mark.slow
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_pixels_that_are_not_numbers_cost_one_frame(small_walk, value, caplog):
    frames = list(small_walk[:20])
    image = frames[9].image.clone()
    image[1, 40, 60] = value
    frames[9] = with_image(frames[9], image)
    system, report = run(frames, ExactPredictor(frames))
    assert report["unusable"] == [9] and report["tracked"] == 19 and report["lost_spans"] == []
    assert "frame 9 holds pixels that are not finite numbers" in caplog.text


def test_the_map_starts_with_the_first_usable_image(small_walk):
    frames = [black(f) for f in small_walk[:3]] + small_walk[3:20]
    system, report = run(frames, ExactPredictor(frames))
    assert system.graph.keyframes[0].frame_index == 3
    assert report["unusable"] == [0, 1, 2] and report["tracked"] == 17
    assert report["lost_spans"] == [] and report["coverage"] == 17 / 20


def test_noise_within_a_sequence_loses_the_camera_and_makes_no_keyframe(small_walk):
    frames = [noise(f) if 12 <= f.index < 16 else f for f in small_walk[:26]]
    system, report = run(frames, ExactPredictor(frames))
    assert report["lost_spans"] == [[12, 15]] and report["tracked"] == 22
    assert not [k for k in system.graph.keyframes.values() if 12 <= k.frame_index < 16]
    scores = trajectory_errors(system.recording.true_trajectory(),
                               system.recording.final(system.graph))
    assert scores["ate_m"] < 0.02 * scores["path_length_m"]


class WallPredictor:
    """Predicts a wall two metres away for every image."""

    classes, width, height = NYU13, 128, 96

    @staticmethod
    def predict(image, camera):
        prox = torch.full(image.shape[1:], 0.5)
        h, w = prox.shape[0] // 4, prox.shape[1] // 4
        waves = cosine_maps(4, w, h)
        prox_J = 0.02 * cosine_maps(4, prox.shape[1], prox.shape[0])
        return Prediction(prox_zero=prox, prox_J_code=prox_J, prox_b=torch.full_like(prox, 0.02),
                          logits_zero=torch.zeros(len(NYU13), h, w),
                          logits_J_code=waves.expand(len(NYU13), 4, h, w), classes=NYU13,
                          average_depth=2.0)


@pytest.mark.parametrize("threaded", [False, True])
def test_noise_alone_leaves_a_finite_map(small_walk, threaded):
    system, report = run([noise(f) for f in small_walk[:8]], WallPredictor(), threaded)
    assert report["frames"] == 8 and report["keyframes"] >= 1
    for state in system.graph.states.values():
        assert state.T_world_cam.isfinite().all() and state.code_depth.isfinite().all()
    assert np.isfinite(system.recording.live().T_world_cam).all()


@pytest.mark.parametrize("threaded", [False, True])
def test_darkness_alone_gives_an_empty_result(small_walk, threaded):
    system, report = run([black(f) for f in small_walk[:10]], WallPredictor(), threaded)
    assert report["keyframes"] == report["tracked"] == 0 and report["coverage"] == 0
    assert report["unusable"] == list(range(10))


def test_a_camera_at_rest_needs_no_second_keyframe(small_walk):
    frames = in_sequence([small_walk[0]] * 12)
    system, report = run(frames, ExactPredictor(frames))
    assert report["tracked"] == 12 and len(system.graph) == 1
    moved = system.recording.final(system.graph).positions
    assert np.abs(moved - moved[0]).max() < 1e-3


def test_a_sudden_change_of_exposure_is_tracked_or_recovered_from(small_walk):
    frames = [with_image(f, f.image * (0.6 if f.index >= 10 else 1.0)) for f in small_walk[:25]]
    _, report = run(frames, ExactPredictor(frames))
    assert report["tracked"] >= 22 and report["ate_m"] < 0.03 * report["path_length_m"]
