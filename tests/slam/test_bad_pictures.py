"""Pictures that tell nothing: darkness, noise, numbers that are none."""

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

BLACK_FRAMES = 60


def black(frame):
    return with_image(frame, torch.zeros_like(frame.image))


def noise(frame):
    g = torch.Generator().manual_seed(frame.index)
    return with_image(frame, torch.rand(frame.image.shape, generator=g))


def in_sequence(frames):
    """Numbered and stamped anew, at 30 a second."""
    return [replace(f, index=n, timestamp=n / 30) for n, f in enumerate(frames)]


def run(frames, predictor, threaded=False):
    system = System(small_config(), predictor, threaded=threaded)
    system.run(Playback(frames), realtime=False)
    return system, system.report


@pytest.mark.parametrize("threaded", [False, True])
def test_two_seconds_of_darkness_lose_the_camera_but_not_the_map(small_walk, threaded):
    """The camera has gone back to where it was earlier when the light returns."""
    dark = [black(small_walk[30])] * BLACK_FRAMES
    frames = in_sequence([*small_walk[:24], *dark, *small_walk[4:14]])
    system, report = run(frames, ExactPredictor(frames), threaded)
    assert report["lost_spans"] == [[24, 24 + BLACK_FRAMES - 1]]
    assert report["tracked"] == 34 and report["coverage"] == 34 / 94
    assert report["ate_m"] < 0.02 * report["path_length_m"]
    made_of = [k.frame.index for k in system.graph.keyframes]
    assert sum(index < 24 for index in made_of) >= 2
    assert not [index for index in made_of if 24 <= index < 24 + BLACK_FRAMES]
    assert len(system.recording.final(system.graph)) == 34


def test_map_made_before_the_darkness_is_kept_as_it_was(small_walk):
    before = in_sequence(small_walk[:24])
    frames = in_sequence([*before, *[black(small_walk[30])] * BLACK_FRAMES])
    predictor = ExactPredictor(frames)
    (short, _), (long, _) = run(before, predictor), run(frames, predictor)
    assert len(short.graph) == len(long.graph) >= 2
    for a, b in zip(short.graph.states, long.graph.states):
        assert torch.equal(a.T_world_cam, b.T_world_cam)
        assert torch.equal(a.code_depth, b.code_depth)


@pytest.mark.parametrize("threaded", [False, True])
def test_map_begun_at_a_picture_of_nothing_begins_anew(small_walk, threaded, caplog):
    """As a webcam does that needs some frames to wake up."""
    frames = in_sequence([noise(small_walk[0]), *small_walk])
    system, report = run(frames, ExactPredictor(frames), threaded)
    assert "a new map is started" in caplog.text
    began = system.graph.keyframes[0].frame.index
    limit = system.config.tracking.give_up_after
    assert limit <= began <= limit + 2 and report["unusable"] == list(range(began))
    assert report["tracked"] == len(frames) - began and report["lost_spans"] == []
    assert report["ate_m"] < 0.03 * report["path_length_m"]


def test_camera_that_was_once_followed_keeps_its_map(small_walk):
    frames = in_sequence([*small_walk[:3], *[noise(small_walk[0])] * 40, *small_walk[:5]])
    system, report = run(frames, ExactPredictor(frames))
    assert system.graph.keyframes[0].frame.index == 0 and report["unusable"] == []
    assert report["lost_spans"] == [[3, 42]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_pixels_that_are_no_numbers_cost_one_frame(small_walk, value, caplog):
    frames = list(small_walk[:20])
    image = frames[9].image.clone()
    image[1, 40, 60] = value
    frames[9] = with_image(frames[9], image)
    system, report = run(frames, ExactPredictor(frames))
    assert report["unusable"] == [9] and report["tracked"] == 19 and report["lost_spans"] == []
    assert "frame 9 holds pixels that are not finite numbers" in caplog.text


def test_map_starts_with_the_first_picture_that_shows_something(small_walk):
    frames = [black(f) for f in small_walk[:3]] + small_walk[3:20]
    system, report = run(frames, ExactPredictor(frames))
    assert system.graph.keyframes[0].frame.index == 3
    assert report["unusable"] == [0, 1, 2] and report["tracked"] == 17
    assert report["lost_spans"] == [] and report["coverage"] == 17 / 20


def test_noise_in_between_is_a_loss_and_makes_no_keyframe(small_walk):
    frames = [noise(f) if 12 <= f.index < 16 else f for f in small_walk[:26]]
    system, report = run(frames, ExactPredictor(frames))
    assert report["lost_spans"] == [[12, 15]] and report["tracked"] == 22
    assert not [k for k in system.graph.keyframes if 12 <= k.frame.index < 16]
    scores = trajectory_errors(system.recording.true_trajectory(),
                                 system.recording.final(system.graph))
    assert scores["ate_m"] < 0.02 * scores["path_length_m"]


class WallPredictor:
    """Sees a wall two metres away in everything."""

    classes, width, height = NYU13, 128, 96

    @staticmethod
    def predict(image, camera):
        prox = torch.full(image.shape[1:], 0.5)
        h, w = prox.shape[0] // 4, prox.shape[1] // 4
        waves = cosine_maps(4, w, h)
        prox_J = 0.02 * cosine_maps(4, prox.shape[1], prox.shape[0])
        return Prediction(prox, prox_J, torch.full_like(prox, 0.02),
                          torch.zeros(len(NYU13), h, w), waves.expand(len(NYU13), 4, h, w),
                          NYU13, 2.0)


@pytest.mark.parametrize("threaded", [False, True])
def test_nothing_but_noise_is_endured(small_walk, threaded):
    system, report = run([noise(f) for f in small_walk[:8]], WallPredictor(), threaded)
    assert report["frames"] == 8 and report["keyframes"] >= 1
    for state in system.graph.states:
        assert state.T_world_cam.isfinite().all() and state.code_depth.isfinite().all()
    assert np.isfinite(system.recording.live().T_world_cam).all()


@pytest.mark.parametrize("threaded", [False, True])
def test_nothing_but_darkness_gives_an_empty_result(small_walk, threaded):
    system, report = run([black(f) for f in small_walk[:10]], WallPredictor(), threaded)
    assert report["keyframes"] == report["tracked"] == 0 and report["coverage"] == 0
    assert report["unusable"] == list(range(10))


def test_still_camera_needs_no_second_keyframe(small_walk):
    frames = in_sequence([small_walk[0]] * 12)
    system, report = run(frames, ExactPredictor(frames))
    assert report["tracked"] == 12 and len(system.graph) == 1
    moved = system.recording.final(system.graph).positions
    assert np.abs(moved - moved[0]).max() < 1e-3


def test_light_that_changes_at_once_is_followed_or_found_again(small_walk):
    frames = [with_image(f, f.image * (0.6 if f.index >= 10 else 1.0)) for f in small_walk[:25]]
    _, report = run(frames, ExactPredictor(frames))
    assert report["tracked"] >= 22 and report["ate_m"] < 0.03 * report["path_length_m"]
