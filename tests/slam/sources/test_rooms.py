"""The procedural source: frames with exact truth."""

import pytest
import torch

from scenecode.core.errors import SourceError
from scenecode.networks.data.rooms import EffectsConfig, RoomConfig
from scenecode.slam.sources.rooms import RoomsSource

ROOM = RoomConfig(side=(3.0, 3.5), density=0.5)


@pytest.fixture(scope="module")
def source():
    return RoomsSource(1, frames=4, width=96, height=72, room=ROOM)


def test_frames_carry_time_camera_and_truth(source):
    frames = list(source)
    assert len(frames) == source.length == 4 and not source.is_live
    for k, frame in enumerate(frames):
        assert frame.index == k and frame.timestamp == pytest.approx(k / 30)
        assert frame.image.shape == (3, 72, 96) and frame.image.dtype == torch.float32
        assert (frame.camera.width, frame.camera.height) == (96, 72)
        assert frame.truth.T_world_cam.dtype == torch.float64
        assert frame.truth.depth.shape == frame.truth.labels.shape == (72, 96)
        assert frame.truth.depth.min() > 0


def test_it_can_be_walked_again_and_made_again(source):
    again = RoomsSource(1, frames=4, width=96, height=72, room=ROOM)
    for a, b, c in zip(source, source, again):
        assert torch.equal(a.image, b.image) and torch.equal(a.image, c.image)
        assert torch.equal(a.truth.T_world_cam, c.truth.T_world_cam)


def test_truth_depth_moves_pixels_to_where_the_next_frame_shows_them(source):
    a, _, _, b = source
    pixels = a.camera.pixel_grid(torch.float64)
    points, _ = a.camera.backproject(pixels, a.truth.depth.reshape(-1).double())
    T = torch.linalg.inv(b.truth.T_world_cam) @ a.truth.T_world_cam
    moved = points @ T[:3, :3].T + T[:3, 3]
    at, _ = a.camera.project(moved)
    u, v = at.round().long().T
    inside = (u >= 0) & (u < 96) & (v >= 0) & (v < 72)
    seen = b.truth.depth[v[inside], u[inside]]
    near = (seen - moved[inside, 2]).abs() < 0.05 * moved[inside, 2]
    assert near.double().mean() > 0.9


def test_effects_change_pictures_but_not_the_truth(source):
    noisy = RoomsSource(1, frames=4, width=96, height=72, room=ROOM, effects=EffectsConfig())
    a, b = next(iter(source)), next(iter(noisy))
    assert not torch.equal(a.image, b.image)
    assert torch.equal(a.truth.depth, b.truth.depth)


@pytest.mark.parametrize("wrong", [dict(seed=-1), dict(seed=0, frames=0), dict(seed=0, fps=0.0)])
def test_impossible_requests_are_refused(wrong):
    with pytest.raises(SourceError):
        RoomsSource(**wrong)
