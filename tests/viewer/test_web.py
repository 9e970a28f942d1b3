"""The web viewer without a browser: where it listens and what it sends."""

import socket
from dataclasses import replace

import numpy as np
import pytest
import viser
from support.box_room import camera, keyframe, pose, room_snapshot
from websockets.sync.client import connect

from scenecode.networks.classes import NYU13, ClassSet
from scenecode.slam.records.snapshot import PointCloud, Snapshot
from scenecode.viewer import scene
from scenecode.viewer.panel import legend_html, status_html
from scenecode.viewer.web import WebViewer

#: Seconds without a message after which a page has everything.
QUIET = 0.4


@pytest.fixture
def viewer():
    viewer = WebViewer(port=0)
    yield viewer
    viewer.close()


@pytest.fixture
def page(viewer):
    """A client that reads like a browser does, and does not draw."""
    protocol = f"viser-v{viser.__version__}"
    with connect(viewer.url.replace("http", "ws"), subprotocols=[protocol], max_size=None) as ws:
        bytes_until_quiet(ws)
        yield ws


@pytest.fixture(scope="module")
def room() -> Snapshot:
    return room_snapshot(keyframes=4, width=128)


def bytes_until_quiet(ws) -> int:
    total = 0
    try:
        while True:
            total += len(ws.recv(timeout=QUIET))
    except TimeoutError:
        return total


def port_of(viewer: WebViewer) -> int:
    return int(viewer.url.rsplit(":", 1)[1])


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


def test_close_gives_the_port_back_and_may_be_repeated(viewer):
    viewer.close()
    viewer.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(viewer)), timeout=2)


def test_an_unchanged_snapshot_costs_nothing(viewer, page, room):
    viewer.show(room)
    assert bytes_until_quiet(page) > 100_000
    viewer.show(room)
    assert bytes_until_quiet(page) == 0


def test_known_keyframes_are_moved_not_sent_again(viewer, page, room):
    viewer.show(room)
    bytes_until_quiet(page)
    moved = tuple(replace(view, T_world_cam=pose(0.1 + 0.2 * i), image=view.image.copy())
                  for i, view in enumerate(room.keyframes))
    viewer.show(replace(room, version=room.version + 1, keyframes=moved))
    moving = bytes_until_quiet(page)
    added, _ = keyframe(990, 0.4, camera(128))
    viewer.show(replace(room, version=room.version + 2, keyframes=(*moved, added)))
    adding = bytes_until_quiet(page)
    assert 0 < moving < adding  # all four moved cost less than one that is new
    assert adding < 20_000


def test_a_longer_path_sends_its_end_only(viewer, page):
    turns = np.linspace(0, 6, 4 * scene.PATH_PIECE)
    trajectory = np.stack([pose(turn) for turn in turns])
    viewer.show(Snapshot(1, NYU13, trajectory=trajectory[:-1]))
    whole = bytes_until_quiet(page)
    viewer.show(Snapshot(1, NYU13, trajectory=trajectory))
    assert 0 < bytes_until_quiet(page) < 0.4 * whole


def test_keyframes_and_path_shrink_too(viewer, page, room):
    viewer.show(room)
    viewer.show(replace(room, version=2, keyframes=room.keyframes[:1],
                        trajectory=room.trajectory[:2], cloud=PointCloud.empty(), live=None))
    names = set(viewer._server.scene._handle_from_node_name)
    assert {n for n in names if n.startswith("/keyframes/")} == {"/keyframes/0"}
    assert {n for n in names if n.startswith("/path/")} == {"/path/0"}
    assert not {"/map/points", "/live"} & names


def test_a_large_map_is_thinned_evenly_and_the_same_way_each_time():
    count, limit = 30_000, 1_000
    points = np.arange(3 * count, dtype=np.float32).reshape(count, 3)
    cloud = PointCloud(points, np.zeros((count, 3), np.uint8), np.zeros(count, np.uint8),
                       np.zeros(count, np.float32))
    thin = scene.thinned(cloud, limit)
    assert len(thin.points) == limit
    assert np.histogram(thin.points[:, 0], 10, (0, 3 * count))[0].min() > 0.05 * limit
    assert np.array_equal(thin.points, scene.thinned(cloud, limit).points)
    assert scene.thinned(cloud, count) is cloud


def test_the_status_tells_tracking_lost_and_saved_apart(room):
    lost = replace(room, live=replace(room.live, lost=True))
    words = [status_html(s, 10) for s in (room, lost, replace(room, live=None))]
    assert "Tracking" in words[0] and "Lost" in words[1] and "Saved map" in words[2]
    assert "last one known" in words[1] and "last one known" not in words[0]
    assert "(10 drawn)" in words[0]


def test_class_names_cannot_inject_markup():
    legend = legend_html(ClassSet(("<script>",), ((1, 2, 3),)))
    assert "<script>" not in legend and "&lt;script&gt;" in legend and "rgb(1,2,3)" in legend


def test_up_is_the_first_cameras_up(viewer, room):
    tilted = np.eye(4)
    tilted[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]  # a phone held upright
    viewer.show(replace(room, trajectory=tilted[None]))
    assert np.allclose(viewer._server.initial_camera.up, [1, 0, 0])
