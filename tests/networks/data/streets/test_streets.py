"""Streets: reproducible, true to geometry, with traffic that keeps apart, and as training data."""

import numpy as np
import pytest
import torch

from scenecode.core.errors import ConfigError, DataError
from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.data.datasets import open_dataset
from scenecode.networks.data.streets import (
    DriveConfig,
    StreetConfig,
    StreetsImages,
    Town,
    Traffic,
    ViewsConfig,
    drive,
    render,
)
from scenecode.networks.data.streets.layout.plan import ALONG_U, ALONG_V
from scenecode.networks.data.streets.models.meshes import load_meshes
from scenecode.networks.data.streets.shards import StreetsShards, write_shards
from scenecode.optim.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(fx=70.0, fy=70.0, cx=55.5, cy=17.5, width=112, height=36)
FPS, FRAMES = 10.0, 40
NAMES = CITYSCAPES_19.names
#: one sees less far, for speed
NEAR = StreetConfig(reach=100.0)


@pytest.fixture(scope="module")
def town():
    return Town(3, NEAR)


@pytest.fixture(scope="module")
def way(town):
    return drive(town, 3, FRAMES, FPS)


@pytest.fixture(scope="module")
def traffic(town, way):
    return Traffic(town, way, 3, FPS)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_picture_whatever_was_drawn_before(town, way, traffic):
    render(town, way.T_world_cam[30], CAMERA)
    a = render(town, way.T_world_cam[5], CAMERA, 1, traffic.at(5))
    again = Town(3, NEAR)
    same = drive(again, 3, FRAMES, FPS)
    b = render(again, same.T_world_cam[5], CAMERA, 1, Traffic(again, same, 3, FPS).at(5))
    assert (a.view.image == b.view.image).all() and (a.view.depth == b.view.depth).all()
    assert (a.moving == b.moving).all()


def test_sky_has_no_depth_and_all_else_has(town, way):
    view = render(town, way.T_world_cam[0], CAMERA).view
    sky = view.labels == NAMES.index("sky")
    assert sky.any() and (view.depth[sky] == 0).all() and view.depth[~sky].min() > 0.5
    assert set(np.unique(view.labels)) >= {NAMES.index(n) for n in ("road", "building")}


def test_the_road_lies_below_the_camera_by_its_height(town, way):
    """Points of the picture's road, moved to the plan's ground."""
    T = way.T_world_cam[10]
    view = render(town, T, CAMERA).view
    v, u = np.nonzero((view.labels == NAMES.index("road")) & (view.depth < 12))
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones(len(u))], 1)
    points = (rays * view.depth[v, u, None]) @ T[:3, :3].T + T[:3, 3]
    ground = town.plan.frame(*way.plan[10, :2], 0.0)[1][2]
    assert len(u) > 100 and np.abs(points[:, 2] - ground).max() < 0.5


def test_frames_agree_where_nothing_moves(town, way, traffic):
    """Depth of one frame carried to the next."""
    a, b = (render(town, way.T_world_cam[k], CAMERA, 1, traffic.at(k)) for k in (20, 22))
    T = np.linalg.inv(way.T_world_cam[22]) @ way.T_world_cam[20]
    v, u = np.nonzero((a.view.depth > 0) & (a.view.depth < 40) & ~a.moving)
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones(len(u))], 1)
    x = (rays * a.view.depth[v, u, None]) @ T[:3, :3].T + T[:3, 3]
    u2, v2 = (np.round(f * x[:, k] / x[:, 2] + c).astype(int) for k, f, c in (
        (0, CAMERA.fx, CAMERA.cx), (1, CAMERA.fy, CAMERA.cy)))
    inside = (x[:, 2] > 0.5) & (u2 >= 0) & (u2 < 112) & (v2 >= 0) & (v2 < 36)
    depth = b.view.depth[v2[inside], u2[inside]]
    assert inside.mean() > 0.4
    assert (np.abs(depth - x[inside, 2]) < 0.08 * x[inside, 2]).mean() > 0.85


def test_a_drive_is_smooth_upright_and_at_the_height_of_a_car(town, way):
    steps = np.linalg.norm(np.diff(way.T_world_cam[:, :3, 3], axis=0), axis=1) * FPS
    assert 1 < steps.mean() < 16 and np.abs(np.diff(steps)).max() * FPS < 4
    R = way.T_world_cam[:, :3, :3]
    assert np.allclose(R @ np.swapaxes(R, 1, 2), np.eye(3), atol=1e-9)
    assert (R[:, 2, 1] < -0.99).all()
    heights = [T[2, 3] - town.plan.height(u, v) for T, (u, v, _) in zip(way.T_world_cam, way.plan)]
    assert 1.2 < min(heights) and max(heights) < 2.0


def test_one_keeps_to_the_road_and_to_the_own_side_and_turns_and_stops():
    town = Town(8)
    way = drive(town, 8, 400, 4.0, DriveConfig(turns=0.7, stops=0.5))
    speed = np.linalg.norm(np.diff(way.plan[:, :2], axis=0), axis=1) * 4
    assert speed.min() < 0.2 and len({leg.axis for leg in way.legs}) == 2
    for u, v, _ in way.plan:
        off = []
        for axis, at in ((ALONG_V, u), (ALONG_U, v)):
            street = town.plan.street(axis, town.plan.nearest(axis, at))
            off.append(abs(at - street.middle) - street.kerb)
        assert min(off) < 0
    for leg in way.legs:
        on = [(u, v) for u, v, _ in way.plan if leg.start + 5 < (v if leg.axis == ALONG_V else u)
              < leg.stop - 5]
        street = town.plan.street(leg.axis, leg.index)
        if street.lanes == 1 and leg.axis == ALONG_V and leg.direction > 0:
            near = [u for u, _ in on if abs(u - street.middle) < street.kerb]
            side = 1 if town.right_hand else -1
            assert all((u - street.middle) * side > 0 for u in near)


def test_who_moves_is_marked_and_nobody_collides(town, way, traffic):
    seen = sum(int(render(town, way.T_world_cam[k], CAMERA, 1, traffic.at(k)).moving.sum())
               for k in (0, 15, 30))
    assert seen > 0
    still = render(town, way.T_world_cam[0], CAMERA)
    assert not still.moving.any()
    for frame in (0, 20, 39):
        parts = traffic.at(frame)
        apart = np.linalg.norm(parts.centre[:, None] - parts.centre[None], axis=2)
        assert apart[~np.eye(len(parts), dtype=bool)].min() > 0.35
        ego = way.T_world_cam[frame][:3, 3] - [0, 0, 1]
        assert np.linalg.norm(parts.centre - ego, axis=1).min() > 1.2


def test_all_classes_but_trains_occur_over_a_few_towns():
    seen = set()
    for seed in range(4):
        town = Town(seed)
        seen |= set(town.piece(0, 0).faces.label.tolist())
        for name in ("cyclist", "motorcyclist", "truck", "bus"):
            seen |= set(town.stock.pick(np.random.default_rng(0), name).faces.label.tolist())
    assert {NAMES[k] for k in seen} >= set(NAMES) - {"train", "sky"}


@pytest.mark.slow
def test_images_are_samples_and_shards_give_them_back(tmp_path):
    views = ViewsConfig(streets=1, views_per_street=2, width=64, height=24, supersample=1)
    images = StreetsImages(views, NEAR)
    sample = images[1]
    assert sample.image.shape == (3, 24, 64) and sample.depth.dtype == torch.float32
    assert len(images) == 2 and images.classes == CITYSCAPES_19
    write_shards(tmp_path, 2, views, NEAR)
    kept = StreetsShards(tmp_path)[1]
    assert torch.equal(kept.image, sample.image) and torch.equal(kept.labels, sample.labels)
    assert torch.allclose(kept.depth, sample.depth, rtol=1e-3) and kept.camera == sample.camera
    assert len(open_dataset("streets", str(tmp_path), "train", 64, 24)) == 2
    with pytest.raises(IndexError):
        images[2]


def test_the_data_set_has_splits_and_other_class_sets():
    assert open_dataset("streets", "", "test", 64, 24).classes == CITYSCAPES_19
    assert len(open_dataset("streets", "", "val", 64, 24, classes=11).classes) == 11
    with pytest.raises(DataError, match="unknown"):
        open_dataset("streets", "", "all", 64, 24)


def test_models_of_a_folder_stand_in_at_real_size(tmp_path):
    import trimesh
    for name in ("sedan", "rocket"):
        trimesh.creation.box((2.0, 2.0, 3.0)).export(tmp_path / f"{name}.glb")
    stock = Town(0, StreetConfig(meshes=str(tmp_path), mesh_share=1.0)).stock
    made = stock.pick(np.random.default_rng(0), "car").faces
    body = made.corners[made.label == NAMES.index("car")].reshape(-1, 3)
    assert len(body) == 12 * 4
    assert np.allclose(np.ptp(body, axis=0), (1.8, 4.4, 1.5), rtol=0.08)
    (tmp_path / "sedan.glb").unlink()
    load_meshes.cache_clear()
    with pytest.raises(DataError, match="named like"):
        Town(0, StreetConfig(meshes=str(tmp_path)))


@pytest.mark.parametrize("make", [lambda: StreetConfig(bend=(5.0, 1.0)),
                                  lambda: StreetConfig(parked=(0.0, 1.5)),
                                  lambda: StreetConfig(reach=5.0),
                                  lambda: DriveConfig(speed=(0.0, 3.0)),
                                  lambda: ViewsConfig(streets=0)])
def test_impossible_streets_are_refused(make):
    with pytest.raises(ConfigError):
        make()
