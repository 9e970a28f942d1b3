"""A mesh is compared with the true surface of a room."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from scenecode.core.errors import ResultError
from scenecode.networks.classes import NYU13
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.benchmarks.surface.accuracy import (
    alignment,
    seen_points,
    surface_scores,
)
from scenecode.slam.evaluation.alignment import Similarity
from scenecode.slam.records.snapshot import KeyframeView, StoredMaps
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.records.triangle_mesh import TriangleMesh
from scenecode.slam.sources.rooms import RoomsSource
from scenecode.slam.surface.saved_surface import surface_of

SAME = Similarity(1.0, np.eye(3), np.zeros(3))


@dataclass(frozen=True)
class Map:
    keyframes: tuple
    classes: tuple = NYU13.names


@pytest.fixture(scope="module")
def source():
    return RoomsSource(7, 30, width=128, height=96)


@pytest.fixture(scope="module")
def mesh(source):
    def view(index):
        frame = source.frame(index)
        depth = frame.truth.depth.numpy()
        camera: PinholeCamera = frame.camera
        return KeyframeView(
            frame_index=index, timestamp=frame.timestamp, T_world_cam=source.poses[index],
            camera=camera, maps=StoredMaps(
                image=np.zeros((*depth.shape, 3), np.uint8), depth=depth,
                depth_std=np.full_like(depth, 0.01), labels=np.zeros(depth.shape, np.uint8),
                confidence=np.ones_like(depth)))

    return surface_of(Map(tuple(view(index) for index in (0, 10, 20, 29))))


@pytest.fixture(scope="module")
def seen(source):
    return seen_points(source, (0, 10, 20, 29))


@pytest.mark.slow
def test_surface_of_true_depths_is_the_true_one(source, mesh, seen):
    scores = surface_scores(mesh, SAME, source.room, seen)
    assert scores.share_within_5cm > 0.99
    assert scores.median_m < 0.015
    assert scores.covered_within_5cm > 0.8
    assert scores.area_m2 > 3


def test_surface_at_a_wrong_place_is_not(source, mesh, seen):
    aside = Similarity(1.0, np.eye(3), np.array([0.0, 0.3, 0.3]))
    scores = surface_scores(mesh, aside, source.room, seen)
    assert scores.share_within_5cm < 0.5
    assert scores.p90_m > 0.15
    assert scores.covered_within_5cm < 0.5


def test_map_of_another_frame_and_scale_is_aligned_with_a_short_path(source, mesh, seen):
    c, s = np.cos(0.7), np.sin(0.7)
    moved = Similarity(0.8, np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), np.array([1.0, 2, 3]))
    poses = source.poses.copy()
    poses[:, :3, 3] = moved.apply(poses[:, :3, 3])
    poses[:, :3, :3] = moved.rotation @ poses[:, :3, :3]
    stamps = np.arange(len(poses)) / source.fps
    back = alignment(Trajectory(stamps, source.poses), Trajectory(stamps, poses))
    assert back.scale == pytest.approx(1 / 0.8)
    there = replace(mesh, vertices=moved.apply(mesh.vertices.astype(float)).astype(np.float32))
    assert surface_scores(there, back, source.room, seen).share_within_5cm > 0.99


def test_a_map_of_another_room_is_an_error(source):
    other = RoomsSource(12, 30, width=128, height=96)
    stamps = np.arange(30) / source.fps
    with pytest.raises(ResultError, match="another room"):
        alignment(Trajectory(stamps, source.poses), Trajectory(stamps, other.poses))


def test_an_empty_mesh_is_an_error(source, seen):
    with pytest.raises(ResultError, match="no surface"):
        surface_scores(TriangleMesh.empty(), SAME, source.room, seen)
