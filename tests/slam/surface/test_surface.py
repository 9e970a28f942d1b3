"""The surface of a map: at the true place, labelled, without flying triangles or cracks."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from support.wall_and_box import BOX, CAMERA, LABELS, WALL, pose, surface

from scenecode.networks.classes import NYU13
from scenecode.slam.records.snapshot import KeyframeView, StoredMaps
from scenecode.slam.surface.saved_surface import surface_of
from scenecode.slam.surface.surface_map import SurfaceMap

VOXEL = 0.0125 * 2.5


@dataclass(frozen=True)
class Map:
    keyframes: tuple
    classes: tuple = NYU13.names


def view(T, grey=100, index=0):
    depth, labels = surface(T)
    size = (CAMERA.height, CAMERA.width)
    return KeyframeView(
        frame_index=index, timestamp=0.0, T_world_cam=T.double().numpy(), camera=CAMERA,
        maps=StoredMaps(image=np.full((*size, 3), grey, np.uint8), depth=depth.numpy(),
                        depth_std=np.full(size, 0.01, np.float32),
                        labels=labels.numpy().astype(np.uint8),
                        confidence=np.full(size, 0.75, np.float32)))


@pytest.fixture(scope="module")
def views():
    return (view(pose()), view(pose(x=0.1), 140, 1),
            view(pose(x=-0.1, yaw=0.05), 120, 2))


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
    assert mesh.confidence == pytest.approx(11 / 15)
    assert 100 <= mesh.colours.min() and mesh.colours.max() <= 140
    # towards the cameras, and corners run counter-clockwise seen from there
    assert (mesh.normals[:, 2] < -0.9).mean() > 0.99


def test_chunks_meet_without_cracks(views):
    surface = SurfaceMap(VOXEL, len(NYU13))
    surface.update(views)
    border = 16 * VOXEL * np.arange(-8, 8)

    def on_border(key, side):
        mesh = surface.chunk(key)
        x = mesh.vertices[:, 0]
        return {tuple(np.round(v, 4)) for v in mesh.vertices[np.abs(x - border[key[0] + 8 + side])
                                                            < 1e-5]}

    pairs = [(key, (key[0] + 1, *key[1:])) for key in surface.keys
             if (key[0] + 1, *key[1:]) in surface.keys]
    shared = [(on_border(a, 1), on_border(b, 0)) for a, b in pairs]
    assert sum(len(a) for a, _ in shared) > 50
    assert all(a == b for a, b in shared)


def test_what_one_keyframe_saw_alone_is_no_surface_unless_it_is_the_only_one(views):
    away = view(torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0])) @ pose(), index=1)
    alone = surface_of(Map((views[0],)))
    assert len(alone.triangles) > 500
    # looks the other way: nothing is seen by both
    assert len(surface_of(Map((views[0], away))).triangles) == 0
    assert len(surface_of(Map(())).triangles) == 0


def test_a_wrong_label_is_outvoted(views):
    wrong = view(pose(x=0.05), index=9)
    labels = np.full_like(wrong.labels, LABELS[WALL])
    wrong = KeyframeView(**{**vars(wrong), "maps": StoredMaps(
        **{**vars(wrong.maps), "labels": labels})})
    mesh = surface_of(Map((wrong, *views)))
    on_box = mesh.vertices[:, 2] < (WALL + BOX) / 2
    assert (mesh.labels[on_box] == LABELS[BOX]).mean() > 0.95
    assert mesh.confidence[on_box].mean() == pytest.approx(11 / 15 * 3 / 4, abs=0.1)


def of_all(surface):
    return {key: surface.chunk(key) for key in surface.keys}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        for name, values in vars(a[key]).items():
            assert np.array_equal(values, getattr(b[key], name)), (key, name)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [1 << 30, 0], ids=["in memory", "on the disk"])
def test_map_that_changed_has_the_surface_of_one_made_anew(views, budget):
    moved = replace(views[1], T_world_cam=pose(x=0.4, yaw=0.1).double().numpy())
    other = replace(views[2], maps=view(pose(x=-0.3)).maps)
    late = view(pose(x=0.2, yaw=-0.2), index=3)
    surface = SurfaceMap(VOXEL, len(NYU13), budget)
    shown = {}
    for keyframes in (views[:1], views, (views[0], moved, views[2]), (moved, other, late)):
        for key in surface.update(keyframes):
            shown[key] = surface.chunk(key)
    anew = SurfaceMap(VOXEL, len(NYU13))
    anew.update((late, other, moved))
    assert len(anew.mesh().triangles) > 500
    assert_same(of_all(surface), of_all(anew))
    # who follows the changed chunks only has it all
    assert_same({key: mesh for key, mesh in shown.items() if len(mesh.triangles)},
                {key: mesh for key, mesh in of_all(anew).items() if len(mesh.triangles)})
    assert budget or surface.chunks_in_memory <= 16 < len(surface.keys)


def test_small_moves_wait_and_many_changes_come_in_parts(views):
    surface = SurfaceMap(VOXEL, len(NYU13))
    surface.update(views, at_most=2)
    assert surface.pending == 1
    surface.update(views, at_most=2)
    nudged = tuple(replace(one, T_world_cam=one.T_world_cam + 1e-5) for one in views)
    assert not surface.update(nudged, exactly=False) and surface.update(nudged)
