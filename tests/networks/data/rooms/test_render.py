"""Pictures of rooms against geometry worked out by hand."""

import cv2
import numpy as np
import pytest

from scenecode.networks.classes import NYU13
from scenecode.networks.data.rendering.atlas import mip_atlas
from scenecode.networks.data.rendering.faces import TRIANGLE, Surface, box, join, revolve
from scenecode.networks.data.rendering.poses import look_at
from scenecode.networks.data.rooms import RoomConfig, generate_room, hand_held_path, render
from scenecode.networks.data.rooms.layout import Room
from scenecode.networks.data.rooms.lighting import Light, bake
from scenecode.networks.data.rooms.models.textures import procedural
from scenecode.optim.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(80.0, 82.0, 46.3, 35.1, 96, 72)
WALL, TABLE = NYU13.names.index("wall"), NYU13.names.index("table")
SIZE = np.array([4.0, 5.0, 2.5])
BLOCK = np.array([[1.2, 2.0, 0.0], [2.2, 2.9, 0.8]])


def scene(*things) -> Room:
    """An empty room with the given faces in it."""
    rng = np.random.default_rng(0)
    faces = join([box((0, 0, 0), SIZE, Surface(WALL, 0), inward=True), *things])
    atlas = mip_atlas([procedural("wall", rng), procedural("wood", rng)])
    lightmap = bake(faces, [Light(np.array([2.0, 1.0, 2.2]), np.ones(3, np.float32))], atlas, rng)
    return Room(seed=0, size=tuple(SIZE), faces=faces, solids=(), atlas=atlas, lightmap=lightmap)


def world_rays(T_world_cam):
    """Camera centre and directions (H, W, 3) that gain one metre of depth per unit."""
    v, u = np.mgrid[:CAMERA.height, :CAMERA.width].astype(float)
    ray = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u)], -1)
    return T_world_cam[:3, 3], ray @ T_world_cam[:3, :3].T


def slabs(centre, rays, low, high):
    """Depths at which rays enter and leave a box."""
    with np.errstate(divide="ignore"):
        a, b = (low - centre) / rays, (high - centre) / rays
    return np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)


@pytest.fixture(scope="module")
def furnished():
    return generate_room(3, RoomConfig(side=(3.0, 3.6), density=0.7))


def test_depth_and_labels_of_a_box_in_a_room_are_those_of_the_ray():
    room = scene(box(*BLOCK, Surface(TABLE, 1)))
    T = look_at(np.array([3.1, 0.6, 1.5]), BLOCK.mean(0))
    view = render(room, T, CAMERA)
    centre, rays = world_rays(T)
    _, wall = slabs(centre, rays, np.zeros(3), SIZE)
    enter, leave = slabs(centre, rays, *BLOCK)
    hit = (enter < leave) & (enter > 0)
    border = np.abs(enter - leave) < 1e-2
    expected = np.where(hit, enter, wall)
    assert hit.mean() > 0.05
    assert np.abs(view.depth - expected)[~border].max() < 2e-6 * expected.max()
    assert (view.labels == np.where(hit, TABLE, WALL))[~border].all()


def test_faces_behind_and_across_the_image_plane_are_clipped_right():
    room = scene()
    for target in ((0.3, 0.2, 0.1), (3.9, 4.9, 2.4), (2.0, 4.9, 1.0)):
        T = look_at(np.array([0.2, 0.3, 0.25]), np.array(target) + 1e-3)
        centre, rays = world_rays(T)
        _, wall = slabs(centre, rays, np.zeros(3), SIZE)
        assert np.allclose(render(room, T, CAMERA).depth, wall, rtol=1e-5)


def test_cylinder_is_as_deep_as_the_true_one_up_to_its_facets():
    radius, sides = 0.5, 64
    surface = Surface(TABLE, 1)
    tower = revolve([(radius, 0.0), (radius, 1.2)], surface, sides, cap=surface)
    room = scene(tower.moved(np.eye(3), (2.0, 3.0, 0.0)))
    T = look_at(np.array([2.0, 0.8, 0.7]), np.array([2.0, 3.0, 0.7]))
    depth = render(room, T, CAMERA).depth[round(CAMERA.cy), round(CAMERA.cx)]
    sagitta = radius * (1 - np.cos(np.pi / sides))
    assert 2.2 - radius - 1e-4 <= depth <= 2.2 - radius + sagitta + 1e-3


def test_every_pixel_lies_on_a_face_of_its_label(furnished):
    T = hand_held_path(furnished, 0, 3)[0]
    view = render(furnished, T, CAMERA)
    centre, rays = world_rays(T)
    faces = furnished.faces
    rng = np.random.default_rng(1)
    for v, u in zip(rng.integers(0, CAMERA.height, 150), rng.integers(0, CAMERA.width, 150)):
        point = centre + view.depth[v, u] * rays[v, u]
        own = np.flatnonzero(faces.label == view.labels[v, u])
        basis = np.stack([faces.edge_s[own], faces.edge_t[own], faces.normal[own]], -1)
        s, t, off = np.linalg.solve(basis, (point - faces.origin[own])[..., None])[..., 0].T
        height = np.abs(off) * np.linalg.norm(faces.normal[own], axis=1)
        end = np.where(faces.kind[own] == TRIANGLE, s + t, np.maximum(s, t))
        assert ((height < 1e-4) & (s > -1e-3) & (t > -1e-3) & (end < 1.001)).any()


def test_room_is_closed_from_every_side(furnished):
    middle = hand_held_path(furnished, 0, 2)[0][:3, 3]
    for yaw in np.arange(0, 2 * np.pi, 0.9):
        view = render(furnished, look_at(middle, middle + [np.cos(yaw), np.sin(yaw), 0.1]), CAMERA)
        assert view.depth.min() > 0.1 and view.depth.max() < 6
        assert view.labels.max() < len(NYU13)


def test_warped_views_agree_in_colour(furnished):
    camera = PinholeCamera(120.0, 120.0, 79.5, 59.5, 160, 120)
    poses = hand_held_path(furnished, 5, 60)
    a, b = (render(furnished, poses[k], camera) for k in (0, 30))
    T_b_a = np.linalg.inv(poses[30]) @ poses[0]
    v, u = np.mgrid[:120, :160].astype(float)
    ray = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)], -1)
    x = (ray * a.depth[..., None]) @ T_b_a[:3, :3].T + T_b_a[:3, 3]
    at = [(x[..., k] / x[..., 2] * 120 + c).astype(np.float32)
          for k, c in ((0, camera.cx), (1, camera.cy))]
    depth = cv2.remap(b.depth, *at, cv2.INTER_LINEAR)
    colour = cv2.remap(b.image, *at, cv2.INTER_LINEAR).astype(float)
    covisible = np.abs(depth - x[..., 2]) < 0.01 * x[..., 2]
    error = np.abs(colour - a.image).mean(-1)[covisible] / 255
    assert covisible.mean() > 0.4
    assert np.median(error) < 0.01
    assert np.abs(a.image.astype(float) - b.image).mean() / 255 > 5 * np.median(error)


def test_supersampling_changes_colours_at_edges_only(furnished):
    T = hand_held_path(furnished, 0, 2)[0]
    plain, smooth = render(furnished, T, CAMERA), render(furnished, T, CAMERA, supersample=2)
    assert (plain.depth == smooth.depth).all() and (plain.labels == smooth.labels).all()
    changed = (plain.image != smooth.image).any(-1)
    assert 0.01 < changed.mean() < 0.7


def test_far_textures_do_not_alias():
    """Moving the camera by a fraction of a texel far away must not make the picture flicker."""
    room = scene()
    T = look_at(np.array([2.0, 0.3, 1.2]), np.array([2.0, 5.0, 1.2]))
    moved = T.copy()
    moved[0, 3] += 0.004
    camera = PinholeCamera(24.0, 24.0, 15.5, 11.5, 32, 24)
    a, b = (render(room, P, camera).image.astype(float) for P in (T, moved))
    assert np.abs(a - b).max() / 255 < 0.08
