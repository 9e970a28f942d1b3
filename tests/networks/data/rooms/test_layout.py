"""Rooms as generated: reproducible, furnished, free of collisions; textures and models."""

import sys

import cv2
import numpy as np
import pytest

from scenecode.core.errors import ConfigError, DataError
from scenecode.networks.classes import NYU13
from scenecode.networks.data.rendering.faces import TRIANGLE
from scenecode.networks.data.rooms import RoomConfig, generate_room

FURNISHED = RoomConfig(side=(3.5, 4.5), density=0.8)
SMALL = dict(side=(3.0, 3.5), density=0.6)


@pytest.fixture(scope="module")
def rooms():
    return [generate_room(seed, FURNISHED) for seed in range(4)]


@pytest.mark.slow
def test_same_seed_same_room(rooms):
    again = generate_room(2, FURNISHED)
    for name in ("origin", "edge_s", "label", "texture", "tint"):
        assert (getattr(again.faces, name) == getattr(rooms[2].faces, name)).all()
    assert (again.atlas == rooms[2].atlas).all()
    assert (again.lightmap.image == rooms[2].lightmap.image).all()
    assert rooms[3].size != rooms[2].size


def test_all_classes_occur_over_a_few_rooms(rooms):
    seen = set(np.concatenate([room.faces.label for room in rooms]).tolist())
    assert seen == set(range(len(NYU13)))


def test_furniture_stays_inside_and_apart(rooms):
    corner = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (0.1, 0.5, 0.9)])
    for room in rooms:
        assert len(room.solids) > 8
        for k, solid in enumerate(room.solids):
            turn = solid.outline(-0.002)
            axes = np.stack([turn[1] - turn[0], turn[3] - turn[0]]) / 2
            points = np.zeros_like(corner)
            points[:, :2] = turn.mean(0) + corner[:, :2] @ axes
            points[:, 2] = solid.position[2] + corner[:, 2] * solid.size[2]
            assert points.min() > 0 and (points < room.size).all()
            for other in room.solids[k + 1:]:
                assert other.distance(points).min() > 0


def test_faces_of_furniture_stay_in_its_box(rooms):
    """What the camera keeps clear of contains what it could bump into."""
    room = rooms[0]
    furniture = ~np.isin(room.faces.label, [NYU13.names.index(n) for n in
                                            ("wall", "floor", "ceiling", "objects")])
    points = room.faces.corners[furniture].reshape(-1, 3)
    nearest = np.min([s.distance(points) for s in room.solids], axis=0)
    assert nearest.max() < 0.03


def test_clearance_is_negative_outside_and_zero_in_furniture(rooms):
    solid = rooms[0].solids[-1]
    inside = np.array(solid.position) + [0, 0, solid.size[2] / 2]
    assert rooms[0].clearance(np.array([inside, [-1.0, 1.0, 1.0]])).tolist() == [0.0, -1.0]


def test_light_differs_over_the_room_and_shadows_fall(rooms):
    room = rooms[0]
    floor = np.flatnonzero(room.faces.label == NYU13.names.index("floor"))
    face = floor[np.argmax(np.linalg.norm(room.faces.normal[floor], axis=1))]
    (x, y), (n, m) = room.lightmap.corner[face], room.lightmap.intervals[face]
    brightness = room.lightmap.image[y:y + m + 1, x:x + n + 1].mean(-1)
    assert brightness.max() > 1.5 * brightness.min()


def test_textures_from_a_folder_are_used(tmp_path):
    for name in ("Plaster", "Wood", "Fabric"):
        (tmp_path / name).mkdir()
        colour = np.full((32, 32, 3), (10, 200, 30), np.uint8)
        cv2.imwrite(str(tmp_path / name / "a.png"), colour)
    config = RoomConfig(**SMALL, textures=str(tmp_path), texture_share=1.0)
    assert (np.abs(generate_room(0, config).atlas - [30 / 255, 200 / 255, 10 / 255]).max(-1)
            < 1e-3).mean() > 0.1


def test_texture_folder_without_materials_is_an_error(tmp_path):
    with pytest.raises(DataError, match="sub-folders by material"):
        generate_room(0, RoomConfig(textures=str(tmp_path)))


def write_models(folder, *names):
    import trimesh
    for name in names:
        shape = trimesh.creation.box((2.0, 3.0, 2.0))
        shape.export(folder / f"{name}.glb")


def test_models_stand_in_for_furniture_at_real_size(tmp_path):
    write_models(tmp_path, "chair", "bedDouble", "rocket")
    config = RoomConfig(**SMALL, meshes=str(tmp_path), mesh_share=1.0)
    for seed in range(5):
        faces = generate_room(seed, config).faces
        chairs = faces.label == NYU13.names.index("chair")
        if chairs.any():
            break
    office = faces.kind != TRIANGLE
    model = chairs & ~office
    assert model.sum() >= 12
    heights = faces.corners[model][..., 2]
    assert heights.min() == pytest.approx(0, abs=1e-6) and 0.7 < heights.max() < 1.2


def test_model_folder_without_furniture_is_an_error(tmp_path):
    write_models(tmp_path, "rocket")
    with pytest.raises(DataError, match="named like furniture"):
        generate_room(0, RoomConfig(meshes=str(tmp_path)))


def test_missing_trimesh_is_an_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(DataError, match=r"pip install scenecode\[meshes\]"):
        generate_room(0, RoomConfig(meshes=str(tmp_path)))


def test_impossible_rooms_are_refused():
    with pytest.raises(ConfigError, match="side"):
        RoomConfig(side=(5.0, 4.0))
    with pytest.raises(ConfigError, match="mesh_share"):
        RoomConfig(mesh_share=1.5)
