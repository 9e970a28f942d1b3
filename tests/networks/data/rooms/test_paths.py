"""Camera paths: clear of furniture, smooth, at hand-held speed, looking at the room."""

import numpy as np
import pytest

from scenecode.core.errors import ConfigError
from scenecode.networks.data.rooms import (
    PathConfig,
    RoomConfig,
    generate_room,
    hand_held_path,
    random_view,
    render,
)
from scenecode.optim.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(44.0, 44.0, 23.5, 17.5, 48, 36)
FPS = 30.0


@pytest.fixture(scope="module")
def room():
    return generate_room(11, RoomConfig(side=(4.0, 5.0)))


@pytest.fixture(scope="module")
def path(room):
    return hand_held_path(room, 7, 240, FPS)


def turns(path):
    """Angles between successive poses, degrees."""
    relative = np.swapaxes(path[:-1, :3, :3], 1, 2) @ path[1:, :3, :3]
    cosine = (np.trace(relative, axis1=1, axis2=2) - 1) / 2
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


@pytest.mark.slow
def test_poses_are_rigid_and_upright(path):
    R = path[:, :3, :3]
    assert path.dtype == np.float64
    assert np.allclose(R @ np.swapaxes(R, 1, 2), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(R), 1)
    assert (R[:, 2, 1] < -0.5).all()


def test_path_keeps_its_distance(room, path):
    assert room.clearance(path[:, :3, 3]).min() >= PathConfig().clearance


def test_speed_and_turning_are_those_of_a_hand(path):
    steps = np.linalg.norm(np.diff(path[:, :3, 3], axis=0), axis=1) * FPS
    assert 0.2 < steps.mean() < 0.6 and steps.max() < 1.2
    assert 2.0 < steps.sum() / FPS < 5.0
    assert 4 < turns(path).mean() * FPS < 40 and turns(path).max() * FPS < 70


def test_path_is_smooth(path):
    acceleration = np.diff(path[:, :3, 3], 2, axis=0) * FPS ** 2
    assert np.linalg.norm(acceleration, axis=1).max() < 5.0


def test_path_comes_back_near_earlier_places(path):
    place = path[:, :3, 3]
    far_in_time = np.abs(np.subtract.outer(np.arange(240), np.arange(240))) > 90
    gaps = np.linalg.norm(place[:, None] - place[None], axis=-1)
    assert gaps[far_in_time].min() < 0.3


def test_views_along_the_path_show_the_room_at_arms_length_to_a_few_metres(room, path):
    for T in path[::40]:
        view = render(room, T, CAMERA)
        assert view.depth.min() > 0.3 and 1.0 < np.median(view.depth) < 5.0
        assert len(np.unique(view.labels)) >= 3


@pytest.mark.slow
def test_same_seed_same_path(room, path):
    assert (hand_held_path(room, 7, 240, FPS) == path).all()
    assert not np.allclose(hand_held_path(room, 8, 240, FPS), path)


def test_a_room_without_space_is_an_error(room):
    with pytest.raises(ConfigError, match="clear of all surfaces"):
        hand_held_path(room, 0, 30, FPS, PathConfig(clearance=1.9))


def test_random_views_stand_clear(room):
    rng = np.random.default_rng(0)
    for _ in range(5):
        T = random_view(room, rng)
        assert room.clearance(T[None, :3, 3])[0] >= 0.3
        assert render(room, T, CAMERA).depth.min() > 0.2
