"""The scale of a map by the height of its camera over the ground."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
from support.drift import exhaust
from support.exact import ExactPredictor
from support.walks import small_config

from scenecode.networks.classes import CITYSCAPES_19
from scenecode.slam.adjustment.global_adjustment import GlobalAdjustment
from scenecode.slam.adjustment.ground import scale_by_height
from scenecode.slam.config.residuals import ResidualConfig
from scenecode.slam.mapping.mapper import Mapper
from scenecode.slam.sources.streets import StreetsSource

pytestmark = pytest.mark.slow

HEIGHT = 1.5
ROAD = CITYSCAPES_19.names.index("road")


def road(rng, points=400):
    """Landmarks of a road with its kerb, cars and walls, as level cameras 1.5 m over it see them;
    y is down."""
    x, z = rng.uniform(-4, 4, points), rng.uniform(1, 30, points)
    ground = np.stack([x, np.where(np.abs(x) > 3, HEIGHT - 0.15, HEIGHT), z], 1)
    above = np.stack([rng.uniform(-5, 5, points), rng.uniform(-3, 1.3, points),
                      rng.uniform(3, 30, points)], 1)
    return np.concatenate([ground, above]) + rng.normal(0, 0.01, (2 * points, 3))


def driving(count=10, pitch=0.0):
    """(K, 4, 4) straight ahead, tipped by ``pitch`` radians."""
    T = np.tile(np.eye(4), (count, 1, 1))
    T[:, 2, 3] = np.arange(count) * 1.0
    T[:, 1:3, 1:3] = [[np.cos(pitch), -np.sin(pitch)], [np.sin(pitch), np.cos(pitch)]]
    return T


@pytest.mark.parametrize("pitch", [-0.05, 0.0, 0.08])
def test_a_map_is_scaled_to_the_height_of_its_camera(pitch):
    points, T = road(np.random.default_rng(1)), driving(pitch=pitch)
    T[:, :3, 3] *= 1.3
    found = scale_by_height(1.3 * points, np.zeros(len(points)), T, [HEIGHT] * len(T))
    assert found.log_scale == pytest.approx(-log(1.3), abs=0.02)
    assert abs(found.log_scale + log(1.3)) < 3 * found.log_std + 0.01
    assert found.keyframes == len(T)


def test_landmarks_that_observations_do_not_place_tell_nothing():
    points, T = road(np.random.default_rng(2)), driving()
    uncertain = road(np.random.default_rng(3), points=2000) * [1, 0.7, 0.7]
    found = scale_by_height(np.concatenate([points, uncertain]),
                            np.repeat([0.01, 0.3], [len(points), len(uncertain)]), T,
                            [HEIGHT] * len(T))
    assert found.log_scale == pytest.approx(0, abs=0.02)


def test_without_a_level_ground_nothing_is_said():
    rng = np.random.default_rng(4)
    walls = np.stack([rng.choice([-3.0, 3.0], 500), rng.uniform(-2, 1, 500),
                      rng.uniform(1, 30, 500)], 1)
    known = [HEIGHT] * 10
    assert scale_by_height(walls, np.zeros(500), driving(), known) is None
    assert scale_by_height(road(rng), np.zeros(800), driving(pitch=0.6), known) is None
    assert scale_by_height(road(rng)[:5], np.zeros(5), driving(), known) is None


class FarSighted(ExactPredictor):
    """Takes everything for a quarter farther away than it is."""

    def predict(self, image, camera):
        prediction = super().predict(image, camera)
        return replace(prediction, average_depth=1.25 * prediction.average_depth)


def height_over_road(frame):
    """The plane n x = h through what is road in the lower half of an image."""
    camera, (v, u) = frame.camera, np.nonzero(frame.truth.labels.numpy() == ROAD)
    lower = v > 0.6 * camera.height
    u, v = u[lower], v[lower]
    depth = frame.truth.depth.numpy()[v, u]
    x = depth[:, None] * np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy,
                                   np.ones_like(depth)], 1)
    return 1 / np.linalg.norm(np.linalg.lstsq(x, np.ones(len(x)), rcond=None)[0])


def stretched_by(frames):
    """Length of the adjusted path over the true one."""
    mapper = Mapper(replace(small_config().mapping, reuse_keyframes=False),
                    FarSighted(frames, depth_error=0.003))
    for frame in frames:
        T = frame.truth.T_world_cam.float().clone()
        T[:3, 3] *= 1.25
        mapper.insert(frame, T)
    exhaust(GlobalAdjustment(ResidualConfig()).pieces(mapper.graph))
    graph = mapper.graph
    ours, true = (np.stack([np.asarray(T, float)[:3, 3] for T in poses]) for poses in (
        [s.T_world_cam for s in graph.states.values()],
        [k.truth.T_world_cam for k in graph.keyframes.values()]))
    return np.linalg.norm(ours[-1] - ours[0]) / np.linalg.norm(true[-1] - true[0])


def test_a_drive_gets_the_scale_of_its_camera_s_height():
    frames = list(StreetsSource(4, 10, 256, 192))
    height = float(np.median([height_over_road(frame) for frame in frames]))
    assert 1.15 < stretched_by(frames) < 1.3
    assert stretched_by([replace(frame, camera_height=height) for frame in frames]) \
        == pytest.approx(1, rel=0.04)
