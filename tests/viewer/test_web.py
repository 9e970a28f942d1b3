"""The page's server without a browser: where it listens, what it sends, what it answers."""

import json
import socket
import urllib.error
import urllib.request
from dataclasses import replace

import numpy as np
import pytest
from support.box_room import camera, keyframe, pose, room_snapshot
from support.page_client import PageClient
from support.repainting_editor import RepaintingEditor
from websockets.exceptions import InvalidStatus

from scenecode.networks.classes import NYU13
from scenecode.slam.records.snapshot import FusedCloud, PointCloud, Snapshot
from scenecode.viewer import session
from scenecode.viewer.web import WebViewer

TABLE = NYU13.names.index("table")


@pytest.fixture
def viewer():
    viewer = WebViewer(port=0)
    yield viewer
    viewer.close()


@pytest.fixture(scope="module")
def room() -> Snapshot:
    return room_snapshot(keyframes=4, width=128)


@pytest.fixture
def page(viewer, room):
    viewer.show(room)
    client = PageClient(viewer.link)
    client.until_complete(room.version)
    yield client
    client.close()


def port_of(viewer: WebViewer) -> int:
    return int(viewer.url.rsplit(":", 1)[1])


def size_of(received, *kinds) -> int:
    return sum(size for kind, _, size in received if not kinds or kind in kinds)


def test_listens_on_loopback_only(viewer):
    port = port_of(viewer)
    socket.create_connection(("127.0.0.1", port), timeout=2).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=2)


def test_a_second_viewer_finds_another_port(viewer):
    other = WebViewer(port=port_of(viewer))
    try:
        assert other.url != viewer.url
    finally:
        other.close()


def test_close_gives_the_port_back_and_may_be_repeated(viewer, room):
    viewer.show(room)
    client = PageClient(viewer.link)
    viewer.close()
    viewer.close()
    client.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(viewer)), timeout=2)


def test_a_page_that_waits_for_a_first_snapshot_can_be_closed(viewer):
    client = PageClient(viewer.link)
    viewer.close()
    client.close()


def test_files_that_are_not_of_the_page_are_not_served(viewer):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for path in ("/../web.py", "/__init__.py", "/page/index.html", "/nothing.js"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            direct.open(viewer.url + path)
    answer = direct.open(viewer.url + "/main.js")
    assert "javascript" in answer.headers["Content-Type"]
    assert "'self'" in answer.headers["Content-Security-Policy"]


def test_an_unchanged_snapshot_costs_nothing(viewer, page, room):
    viewer.show(room)
    viewer.show(replace(room, live=None))
    page.ask("measure", kind="height", points=[[0, 0, 1]])
    received = page.messages
    assert size_of(received, "points", "path", "keyframes", "scene") == 0


def test_known_keyframes_are_moved_not_sent_again(viewer, page, room):
    moved = tuple(replace(view, T_world_cam=pose(0.1 + 0.2 * i))
                  for i, view in enumerate(room.keyframes))
    viewer.show(replace(room, version=2, keyframes=moved))
    received = page.until_complete(2)
    assert 0 < size_of(received, "keyframes") < 2000
    assert size_of(received, "points") == 0
    added, _ = keyframe(990, 0.4, camera(128))
    viewer.show(replace(room, version=3, keyframes=(*moved, added)))
    assert size_of(page.until_complete(3)) < 10_000


def test_a_longer_path_sends_its_end_only(viewer, page):
    turns = np.linspace(0, 6, 4 * session.PATH_PIECE)
    trajectory = np.stack([pose(turn) for turn in turns])
    viewer.show(Snapshot(version=2, classes=NYU13, trajectory=trajectory[:-1]))
    whole = size_of(page.until_complete(2), "path")
    viewer.show(Snapshot(version=3, classes=NYU13, trajectory=trajectory))
    assert 0 < size_of(page.until_complete(3), "path") < 0.4 * whole
    viewer.show(Snapshot(version=4, classes=NYU13, trajectory=trajectory[:10]))
    last = [content for kind, content, _ in page.until_complete(4) if kind == "path"][-1]
    assert last["total"] == 10


def chunk(count, left=0.0):
    """Points along a line."""
    points = np.zeros((count, 3), np.float32)
    points[:, 0] = left + np.linspace(0, 1, count)
    return PointCloud(points=points, colours=np.zeros((count, 3), np.uint8),
                      labels=np.zeros(count, np.uint8), confidence=np.ones(count, np.float32))


def in_chunks(version, *chunks):
    return Snapshot(version=version, classes=NYU13, cloud=FusedCloud(dict(enumerate(chunks))))


def test_only_chunks_that_changed_are_sent(viewer, page):
    chunks = [chunk(3000, left) for left in range(10)]
    viewer.show(in_chunks(2, *chunks))
    whole = size_of(page.until_complete(2), "points")
    viewer.show(in_chunks(3, *chunks[:4], chunk(3000, 4.5), *chunks[5:]))
    assert 0 < size_of(page.until_complete(3), "points") < 0.12 * whole
    viewer.show(in_chunks(4, *chunks[:3]))
    received = page.until_complete(4)
    assert size_of(received, "points") == 0
    gone = next(content for kind, content, _ in received if kind == "gone")
    assert set(gone["keys"]) == {str(n) for n in range(3, 10)}


def aimed_at(shown_point, eye):
    direction = np.subtract(shown_point, eye)
    return {"origin": [*eye], "direction": [*(direction / np.linalg.norm(direction))],
            "tolerance": 0.01}


@pytest.fixture
def table_ray(viewer, room, page):
    """A ray at a point of the table, from just above it."""
    T = viewer._shown().T_ground_world
    index = np.flatnonzero(room.cloud.labels == TABLE)[50]
    point = T[:3, :3] @ room.cloud.points[index] + T[:3, 3]
    return aimed_at(point, point + [0.0, 0.0, 0.15])


def test_a_point_that_is_clicked_tells_all_that_is_known(page, table_ray):
    found = page.ask("pick", **table_ray)["result"]
    assert found["hit"] and found["class"] == "table" and 0 < found["confidence"] <= 1
    assert found["probabilities"][0][0] == "table" and len(found["probabilities"]) == 6
    assert 0.3 < found["height"] < 0.8 and found["depth_std"] > 0
    assert found["observations"] and all(o["class"] == "table" for o in found["observations"])


def test_hidden_classes_are_not_hit(page, table_ray):
    limits = {"hidden": [TABLE]}
    found = page.ask("pick", **table_ray, filter=limits)["result"]
    assert not found["hit"] or found["class"] != "table"


def test_a_keyframe_comes_with_all_its_maps(page, room):
    view = room.keyframes[1]
    answer = page.ask("keyframe", frame_index=view.frame_index)
    shape = answer["height"], answer["width"]
    assert np.array_equal(answer["labels"].reshape(shape), view.labels)
    assert np.array_equal(answer["image"].reshape(*shape, 3), view.image)
    depth = answer["depth"].reshape(shape) * answer["depth_step"]
    assert np.abs(depth - view.depth).max() < 0.001
    assert "error" in page.ask("keyframe", frame_index=12345)


def test_search_and_boxes(page, table_ray):
    objects = page.ask("search", text="tables")["result"]["objects"]
    assert objects[0]["class"] == "table" and min(objects[0]["size"]) > 0
    box = page.ask("box", **table_ray)["result"]
    assert box["number"] == objects[0]["number"] and box["volume"] > 0
    assert "no class" in page.ask("search", text="elephants")["error"]


def test_measures_are_named_listed_and_removed(viewer, page):
    values = {"kind": "distance", "points": [[0, 0, 0], [0, 0, 2]]}
    assert page.ask("measure", **values)["result"] == {"value": 2.0, "unit": "m"}
    made = page.ask("save_measure", **values)["result"]
    assert made["name"] == "distance 1"
    page.ask("rename_measure", number=1, name="door")
    assert viewer._annotations.current.measures[0].name == "door"
    page.ask("remove_measure", number=1)
    assert not viewer._annotations.current.measures


def test_what_is_not_understood_is_answered_with_an_error(page):
    for request in ({"do": "rm"}, {"do": "pick"}, {"do": "pick", "origin": "x", "direction": 1},
                    {"do": "keyframe", "frame_index": [1]}, {"do": "measure", "kind": 3},
                    {"do": "set_colour", "class": "no such"}):
        assert "error" in page.ask(request.pop("do"), **request)


def test_a_saved_map_has_no_run_and_this_one_no_editor(page):
    assert "saved map" in page.ask("pause")["error"]
    answer = page.ask("correct", frame_index=0, at=[1, 1], **{"class": "bed"})
    assert "corrected" in answer["error"]


def test_without_the_token_nothing_can_be_changed(viewer, room, page):
    other = PageClient(viewer.link, anonymous=True)
    try:
        assert other.until("hello")["may_change"] is False
        assert "look only" in other.ask("set_colour", **{"class": "wall",
                                                         "colour": [1, 1, 1]})["error"]
        assert other.ask("search", text="bed")["result"]["objects"]
    finally:
        other.close()
    assert page.ask("set_colour", **{"class": "wall", "colour": [1, 2, 3]})["result"] == {}
    assert viewer._annotations.current.colours == {"wall": [1, 2, 3]}


def test_beyond_loopback_only_the_link_opens_anything(room):
    viewer = WebViewer("0.0.0.0", port=0)
    try:
        viewer.show(room)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for path in ("/", "/main.js", "/?token=guess"):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                direct.open(viewer.url + path)
        with pytest.raises(InvalidStatus):
            PageClient(viewer.url, anonymous=True)
        client = PageClient(viewer.link)
        assert client.until("hello")["may_change"] is True
        client.close()
    finally:
        viewer.close()


def test_view_only_pages_may_look_only(room):
    viewer = WebViewer(port=0, view_only=True)
    try:
        viewer.show(room)
        client = PageClient(viewer.link)
        assert client.until("hello")["may_change"] is False
        answer = client.ask("save_measure", kind="height", points=[[0, 0, 1]])
        assert "view-only" in answer["error"]
        client.close()
    finally:
        viewer.close()


def test_two_pages_get_the_same_and_hear_of_each_others_changes(viewer, page, room):
    other = PageClient(viewer.link)
    try:
        other.until_complete(room.version)
        page.ask("set_colour", **{"class": "bed", "colour": [9, 9, 9]})
        assert other.until("annotations")["colours"] == {"bed": [9, 9, 9]}
    finally:
        other.close()


def test_messages_that_are_no_json_are_ignored(page):
    page._socket.send("{nonsense")
    page._socket.send(json.dumps([1, 2]))
    assert page.ask("search", text="bed")["result"]


def test_attributes_come_when_they_are_asked_for(viewer, page, room):
    page._socket.send(json.dumps({"id": 0, "do": "attributes"}))
    known = 0
    while known < len(room.cloud):
        rows = page.until("attributes")["records"].reshape(-1, 8)
        assert (rows[:, 1] > 0).mean() > 0.9
        known += len(rows)


def test_up_is_the_first_cameras_up(viewer, room):
    tilted = np.eye(4)
    tilted[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]  # a phone held upright
    viewer.show(replace(room, version=9, keyframes=(), cloud=FusedCloud(),
                        trajectory=tilted[None]))
    assert np.allclose(viewer._shown().T_ground_world[2, :3], [1, 0, 0])


@pytest.fixture
def corrected(room):
    viewer = WebViewer(port=0)
    viewer.set_editor(RepaintingEditor(replace(room, live=None)))
    viewer.show(replace(room, live=None))
    client = PageClient(viewer.link)
    client.until_complete(room.version)
    yield client
    client.close()
    viewer.close()


def listed_after(received):
    return [m for kind, m, _ in received if kind == "corrections"][-1]["corrections"]


def test_a_correction_is_listed_changes_other_keyframes_and_is_undone(corrected, room):
    view, other = room.keyframes[0], room.keyframes[1]
    wall = NYU13.names.index("wall")
    v, u = (int(n) for n in np.argwhere(view.labels == wall)[0])
    place = {"frame_index": view.frame_index, "at": [u, v]}
    mask = corrected.ask("region", **place)["mask"].reshape(view.labels.shape)
    assert mask[v, u] and mask.sum() < mask.size
    made = corrected.ask("correct", **place, **{"class": "window"})["result"]
    assert made["pixels"] == mask.sum()
    (listed,) = listed_after(corrected.until_complete(2))
    assert listed["class"] == "window" and listed["frame_index"] == view.frame_index
    labels = corrected.ask("keyframe", frame_index=other.frame_index)["labels"]
    assert not (labels == wall).any() and (other.labels == wall).any()
    corrected.ask("undo")
    assert not listed_after(corrected.until_complete(3))[0]["active"]
    labels = corrected.ask("keyframe", frame_index=other.frame_index)["labels"]
    assert np.array_equal(labels, other.labels.ravel())
    corrected.ask("redo")
    corrected.ask("remove_correction", number=1)
    assert "no correction" in corrected.ask("undo")["error"]


def test_a_page_gets_the_surface_in_pieces_and_later_only_those_that_changed(viewer):
    room = room_snapshot(keyframes=16, width=96)
    saved = replace(room, live=None)
    viewer.show(replace(saved, keyframes=room.keyframes[:2]))
    page = PageClient(viewer.link)
    page._socket.send(json.dumps({"id": 0, "do": "surface"}))
    page.until("surface_complete")
    first = {header["key"] for kind, header, _ in page.messages if kind == "mesh"}
    assert first

    def meshes_of(keyframes, version):
        page.messages.clear()
        viewer.show(replace(saved, version=version, keyframes=keyframes))
        assert page.until("surface_complete")["version"] == version
        return {header["key"] for kind, header, _ in page.messages if kind == "mesh"}

    assert not meshes_of(room.keyframes[:2], room.version + 1)
    behind = room.keyframes[8:10]
    grown = meshes_of((*room.keyframes[:2], *behind), room.version + 2)
    assert grown and not grown & first
    page.close()
