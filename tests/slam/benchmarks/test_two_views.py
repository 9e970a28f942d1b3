"""Two images from identity poses: motion, depth and a camera that only turns."""

import json
from dataclasses import replace
from math import degrees

import pytest
import torch
from support.exact import ExactPredictor
from support.walks import SMALL, small_config

from scenecode.cli.main import main
from scenecode.networks.classes import NYU13
from scenecode.optim.geometry import se3
from scenecode.optim.imaging.lookup import sample_view
from scenecode.slam.benchmarks.two_views import reconstruct
from scenecode.slam.config.mapping import StageConfig


def config():
    """From the coarsest level on, since nothing is known of the motion."""
    small = small_config()
    schedule = (StageConfig("geometry", 3, 8), *small.mapping.schedule)
    return replace(small, mapping=replace(small.mapping, schedule=schedule))


def turned(frame, T_first_second):
    """What a camera that only turned would see, where it sees what the frame saw."""
    camera = frame.camera
    rays = camera.rays(camera.pixel_grid()) @ T_first_second[:3, :3].T
    pixels, _ = camera.project(rays)
    H, W = frame.image.shape[1:]
    image = sample_view(frame.image.permute(1, 2, 0), pixels).T.reshape(3, H, W)
    depth = sample_view(frame.truth.depth[..., None], pixels).reshape(H, W)
    truth = replace(frame.truth, depth=depth,
                    T_world_cam=frame.truth.T_world_cam @ T_first_second.double())
    return replace(frame, index=frame.index + 1, image=image, truth=truth)


def test_motion_and_depth_of_two_images(small_walk):
    first, second = small_walk[0], small_walk[15]
    found = reconstruct(first, second, ExactPredictor([first, second]), config())
    scores = found.scores()
    moved = se3.inverse(first.truth.T_world_cam) @ second.truth.T_world_cam
    turned_by = degrees(se3.rotation_angle(moved))
    assert scores["rotation_error_deg"] < 0.3 * turned_by and turned_by > 2
    assert scores["translation_error_m"] < 0.3 * float(moved[:3, 3].norm())
    assert scores["difference"] < 0.5 * scores["difference_before"]
    assert scores["depth_within_10"] > scores["depth_within_10_before"]


def test_a_camera_that_only_turns(small_walk):
    first = small_walk[0]
    T = se3.exp(torch.tensor([0.0, 0, 0, 0.02, 0.06, -0.02]))
    second = turned(first, T)
    found = reconstruct(first, second, ExactPredictor([first, second]), config())
    scores = found.scores()
    assert scores["rotation_error_deg"] < 0.3 and scores["translation_error_m"] < 0.02
    assert "direction_error_deg" not in scores
    assert scores["depth_within_10"] > 0.8


def test_picture_shows_before_and_after(small_walk):
    first, second = small_walk[0], small_walk[10]
    found = reconstruct(first, second, ExactPredictor([first, second]), config())
    picture = found.picture(NYU13)
    width, height = SMALL
    assert picture.shape[1] == 4 * width and picture.shape[0] > 3 * height
    before, after = picture[-2 * height:-height], picture[-height:]
    assert (before != after).any()


@pytest.mark.slow
def test_command_writes_a_picture_and_scores(tiny_weights, tmp_path, capsys):
    picture = tmp_path / "pair.png"
    assert main(["twoview", "rooms:3:9", "--frames", "0", "8", "--model", str(tiny_weights),
                 "--out", str(picture), "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert picture.stat().st_size > 0 and len(scores["T_first_second"]) == 4
    assert {"rotation_error_deg", "depth_within_10", "difference"} <= scores.keys()


@pytest.mark.parametrize("frames, message", [(("3", "3"), "two different"),
                                          (("0", "50"), "no image")])
def test_images_that_do_not_exist(frames, message, tiny_weights, tmp_path, capsys):
    assert main(["twoview", "rooms:3:9", "--frames", *frames, "--model", str(tiny_weights),
                 "--out", str(tmp_path / "pair.png")]) == 1
    assert message in capsys.readouterr().err
