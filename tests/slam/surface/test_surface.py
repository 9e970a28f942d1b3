"""The surface of a map: at the true place, labelled, without flying triangles or cracks."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from support.wall_and_box import BOX, CAMERA, LABELS, WALL, pose, surface

from scenecode.slam.records.snapshot import KeyframeView, StoredMaps
from scenecode.slam.surface.saved_surface import chunk_mesh, surface_of
from scenecode.slam.surface.truncated_distance import DistanceField

VOXEL = 0.0125 * 2.5


@dataclass(frozen=True)
class Map:
    keyframes: tuple


def view(T, grey=100):
    depth, labels = surface(T)
    size = (CAMERA.height, CAMERA.width)
    return KeyframeView(
        frame_index=0, timestamp=0.0, T_world_cam=T.double().numpy(), camera=CAMERA,
        maps=StoredMaps(image=np.full((*size, 3), grey, np.uint8), depth=depth.numpy(),
                        depth_std=np.full(size, 0.01, np.float32),
                        labels=labels.numpy().astype(np.uint8),
                        confidence=np.full(size, 0.75, np.float32)))


@pytest.fixture(scope="module")
def views():
    return view(pose()), view(pose(x=0.1), 140), view(pose(x=-0.1, yaw=0.05), 120)


@pytest.fixture(scope="module")
def mesh(views):
    return surface_of(Map(views))


def test_surface_is_where_the_wall_and_the_box_are(mesh):
    z = mesh.vertices[:, 2]
    assert np.minimum(np.abs(z - WALL), np.abs(z - BOX)).max() < VOXEL / 2
    # most of what all cameras see of either, less the edges
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    seen = CAMERA.width / CAMERA.fx * CAMERA.height / CAMERA.fy * (WALL ** 2 + BOX ** 2) / 2
    assert 0.75 * seen < area < 1.2 * seen


def test_no_triangle_spans_a_depth_edge(mesh):
    z = mesh.vertices[:, 2][mesh.triangles]
    assert np.ptp(z, axis=1).max() < VOXEL


def test_labels_colours_and_normals_are_those_of_the_surface(mesh):
    expected = np.where(mesh.vertices[:, 2] < (WALL + BOX) / 2, LABELS[BOX], LABELS[WALL])
    assert np.array_equal(mesh.labels, expected)
    assert mesh.confidence == pytest.approx(1.0)
    assert 100 <= mesh.colours.min() and mesh.colours.max() <= 140
    # towards the cameras, and corners run counter-clockwise seen from there
    assert (mesh.normals[:, 2] < -0.9).mean() > 0.99


def test_chunks_meet_without_cracks(views):
    field = DistanceField(VOXEL)
    for one in views:
        field.allocate(one)
    for one in views:
        field.integrate(one)
    border = field.edge * np.arange(-8, 8)

    def on_border(key, side):
        mesh = chunk_mesh(field, key, 2)
        x = mesh.vertices[:, 0]
        return {tuple(np.round(v, 4)) for v in mesh.vertices[np.abs(x - border[key[0] + 8 + side])
                                                            < 1e-5]}

    pairs = [(key, (key[0] + 1, *key[1:])) for key in field.chunks
             if (key[0] + 1, *key[1:]) in field.chunks]
    shared = [(on_border(a, 1), on_border(b, 0)) for a, b in pairs]
    assert sum(len(a) for a, _ in shared) > 50
    assert all(a == b for a, b in shared)


def test_what_one_keyframe_saw_alone_is_no_surface_unless_it_is_the_only_one(views):
    away = view(torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0])) @ pose())
    alone = surface_of(Map((views[0],)))
    assert len(alone.triangles) > 500
    # looks the other way: nothing is seen by both
    assert len(surface_of(Map((views[0], away))).triangles) == 0
    assert len(surface_of(Map(())).triangles) == 0


def test_a_wrong_label_is_outvoted(views):
    wrong = view(pose(x=0.05))
    labels = np.full_like(wrong.labels, LABELS[WALL])
    wrong = KeyframeView(**{**vars(wrong), "maps": StoredMaps(
        **{**vars(wrong.maps), "labels": labels})})
    mesh = surface_of(Map((wrong, *views)))
    on_box = mesh.vertices[:, 2] < (WALL + BOX) / 2
    assert (mesh.labels[on_box] == LABELS[BOX]).mean() > 0.95
    assert mesh.confidence[on_box].mean() == pytest.approx(0.5, abs=0.1)
