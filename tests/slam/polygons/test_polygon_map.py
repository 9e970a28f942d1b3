"""Polygon maps of the box room, whose surfaces are known."""

from dataclasses import replace

import numpy as np
import pytest
from support.box_room import room_snapshot

from scenecode.networks.classes import NYU13, VOID, ClassSet
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.polygons.config import PolygonConfig
from scenecode.slam.polygons.ground_plan import ground_plan
from scenecode.slam.polygons.keyframe_polygons import polygonise
from scenecode.slam.polygons.memory import memory_table
from scenecode.slam.polygons.picture import polygon_picture
from scenecode.slam.polygons.polygon_map import PolygonMap, polygon_map
from scenecode.slam.records.snapshot import KeyframeView, StoredMaps

CONFIG = PolygonConfig(superpixel=100)
#: Of the room's walls and its floor, metres.
WALL_X, WALL_Z, FLOOR_Y = 2.5, 2.0, 1.2


@pytest.fixture(scope="module")
def snapshot():
    return room_snapshot(3, 160)


@pytest.fixture(scope="module")
def polygons(snapshot):
    return polygon_map(snapshot.keyframes, snapshot.classes, CONFIG)


def changed(view, **maps):
    arrays = {name: getattr(view, name) for name in
              ("image", "depth", "depth_std", "labels", "confidence")}
    return replace(view, maps=StoredMaps(**{**arrays, **maps}))


def test_polygons_lie_in_the_surfaces_of_the_room(snapshot, polygons):
    wall = NYU13.names.index("wall")
    x = np.concatenate([ring for polygon in polygons.polygons() if polygon.label == wall
                        for ring in polygon.rings])
    to_walls = np.stack([np.abs(np.abs(x[:, 0]) - WALL_X), np.abs(np.abs(x[:, 2]) - WALL_Z)])
    # but for polygons around a corner of the room
    assert np.quantile(to_walls.min(0), [0.5, 0.9]) == pytest.approx([0, 0], abs=0.02)
    for view, keyframe in zip(snapshot.keyframes, polygons.keyframes):
        error = np.abs(keyframe.depth / view.depth - 1)
        assert np.median(error) < 1e-3 and np.mean(error < 0.02) > 0.9


def test_a_polygon_map_is_small_and_keeps_labels(snapshot, polygons):
    table = memory_table(polygons)
    report = table.report()
    assert report["polygons"] == len(polygons) == len(list(polygons.polygons()))
    assert 10 * report["polygon_bytes"] < report["point_bytes"]
    assert report["polygon_bytes"] < report["boundary_bytes"] < report["point_bytes"]
    assert report["polygon_label_change"] < 0.01
    # counted here once more
    relabelled = [keyframe.labels[keyframe.boundaries.rasterised()] != view.labels
                  for view, keyframe in zip(snapshot.keyframes, polygons.keyframes)]
    assert report["polygon_label_change"] == pytest.approx(np.mean(relabelled))
    kept = sum(keyframe.sizes[keyframe.kept].sum() for keyframe in polygons.keyframes)
    assert report["point_bytes"] == 20 * kept


def test_sky_what_has_no_label_and_what_is_far_is_left_out(snapshot):
    view = snapshot.keyframes[0]
    names = tuple("sky" if name == "wall" else name for name in NYU13.names)
    classes = ClassSet(names, NYU13.colours)
    labels = view.labels.copy()
    labels[:, :40] = VOID
    config = replace(CONFIG, max_depth=2.5)
    found = polygonise(changed(view, labels=labels), classes, config)
    assert found.kept.any()
    shown = found.labels[found.kept]
    assert names.index("sky") not in shown and VOID not in shown
    x = np.concatenate([ring for polygon in PolygonMap(classes, (found,)).polygons()
                        for ring in polygon.rings])
    ahead = (x - view.T_world_cam[:3, 3]) @ view.T_world_cam[:3, 2]
    assert ahead.max() <= 2.5
    # nothing is measured, nothing is placed
    nowhere = changed(view, depth=np.zeros_like(view.depth))
    assert not polygonise(nowhere, classes, config).kept.any()


def test_people_and_vehicles_are_left_out_where_they_are_masked(snapshot):
    names = tuple("Person" if name == "wall" else name for name in NYU13.names)
    classes, person = ClassSet(names, NYU13.colours), NYU13.names.index("wall")
    for mask_moving in (False, True):
        config = replace(CONFIG, mask_moving=mask_moving)
        found = polygonise(snapshot.keyframes[0], classes, config)
        assert (person in found.labels[found.kept]) != mask_moving


def test_what_a_nearer_keyframe_shows_is_in_the_map_once(snapshot):
    view = snapshot.keyframes[0]
    one = polygon_map([view], snapshot.classes, CONFIG)
    twice = polygon_map([view, replace(view, frame_index=99)], snapshot.classes, CONFIG)
    assert len(twice) == len(one) and not twice.keyframes[1].kept.any()
    assert len(polygon_map([view, view], snapshot.classes, replace(CONFIG, covered=1.0))) \
        == 2 * len(one)


def test_triangles_cover_the_polygons_and_face_the_camera(snapshot, polygons):
    keyframe = polygons.keyframes[0]
    mesh = PolygonMap(snapshot.classes, (keyframe,)).mesh()
    a, b, c = (mesh.vertices[mesh.triangles[:, n]].astype(float) for n in range(3))
    cross = np.cross(b - a, c - a)
    normals = mesh.normals[mesh.triangles[:, 0]]
    assert ((cross * normals).sum(1) >= -1e-9).all()
    towards = keyframe.T_world_cam[:3, 3] - mesh.vertices
    assert ((mesh.normals * towards).sum(1) > 0).all()
    # in the image they cover as many pixels as the polygons
    camera, T = keyframe.camera, keyframe.T_world_cam
    x = (mesh.vertices - T[:3, 3]) @ T[:3, :3]
    u, v = camera.fx * x[:, 0] / x[:, 2], camera.fy * x[:, 1] / x[:, 2]
    (u0, u1, u2), (v0, v1, v2) = u[mesh.triangles].T, v[mesh.triangles].T
    area = np.abs((u1 - u0) * (v2 - v0) - (u2 - u0) * (v1 - v0)).sum() / 2
    assert area == pytest.approx(keyframe.boundaries.region_areas()[keyframe.kept].sum(), rel=1e-3)
    assert set(np.unique(mesh.labels)) == set(keyframe.labels[keyframe.kept])


def test_the_ground_plan_is_geojson_with_heights(polygons):
    # the world's y points down, the floor is at 1.2 m
    T = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, FLOOR_Y], [0, 0, 0, 1]])
    plan = ground_plan(polygons, T)
    assert plan["type"] == "FeatureCollection" and len(plan["features"]) == len(polygons)
    for feature in plan["features"]:
        properties = feature["properties"]
        outer, *holes = (np.array(ring) for ring in feature["geometry"]["coordinates"])
        assert (outer[0] == outer[-1]).all() and len(outer) >= 4
        x, y = outer[:-1].T
        assert (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() >= -1e-2
        assert NYU13.names[properties["label"]] == properties["class"]
        assert -0.05 < properties["height_min"] <= properties["height_max"] < 2.65


def test_a_pole_in_front_of_a_wall_is_a_polygon_and_a_hole_is_none():
    """A ring-shaped label: its polygon has a hole, in which another one lies."""
    height, width = 60, 80
    v, u = np.mgrid[:height, :width]
    distance = np.hypot(u - 40, v - 30)
    labels = np.where(distance < 10, 7, np.where(distance < 16, 6, 11)).astype(np.uint8)
    image = np.stack([labels * 20] * 3, -1).astype(np.uint8)
    depth = np.full(labels.shape, 2.0, np.float32)
    view = KeyframeView(
        frame_index=0, timestamp=0.0, T_world_cam=np.eye(4),
        camera=PinholeCamera(60, 60, 39.5, 29.5, width, height),
        maps=StoredMaps(image=image, depth=depth, depth_std=depth, labels=labels,
                        confidence=depth))
    found = polygonise(view, NYU13, PolygonConfig(superpixel=4800, min_region=12))
    assert sorted(found.labels) == [6, 7, 11] and found.kept.all()
    holes = {int(label): len(rings) - 1 for label, rings in zip(found.labels, found.rings)}
    assert holes == {6: 1, 7: 0, 11: 1}
    areas = found.boundaries.region_areas()
    mesh = PolygonMap(NYU13, (found,)).mesh()
    for label, area in zip(found.labels, areas):
        corners = mesh.vertices[mesh.triangles[mesh.labels[mesh.triangles[:, 0]] == label]]
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert np.linalg.norm(cross, axis=1).sum() / 2 == pytest.approx(area * (2 / 60) ** 2)


def test_the_picture_shows_image_colours_and_classes(snapshot, polygons):
    picture = polygon_picture(polygons, np.stack([v.T_world_cam[:3, 3] for v in
                                                  snapshot.keyframes]),
                              [view.image for view in snapshot.keyframes])
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    flat = picture.reshape(-1, 3)
    for name in ("furniture", "wall"):
        colour = NYU13.colours[NYU13.names.index(name)]
        assert (flat == colour).all(1).sum() > 1000
    empty = polygon_picture(PolygonMap(NYU13, ()), np.zeros((0, 3)), [])
    assert empty.shape[2] == 3
