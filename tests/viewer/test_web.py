"""The web viewer without a browser: where it listens and what it sends."""

import socket
from dataclasses import replace

import numpy as np
import pytest
import viser
from support.box_room import camera, keyframe, pose, room_snapshot
from websockets.sync.client import connect

from scenecode.networks.classes import NYU13, ClassSet
from scenecode.slam.records.snapshot import FusedCloud, PointCloud, Snapshot
from scenecode.viewer import scene
from scenecode.viewer.panel import legend_html, status_html
from scenecode.viewer.web import WebViewer

#: Seconds that a message may take on a busy machine.
PATIENCE = 60


@pytest.fixture
def viewer():
    viewer = WebViewer(port=0)
    yield viewer
    viewer.close()


class Page:
    """A client that reads like a browser does, and does not draw."""

    def __init__(self, viewer, ws):
        self._scene, self._ws, self._marks = viewer._server.scene, ws, 0
        self.bytes_received()
        #: bytes that one call of ``bytes_received`` makes the server send
        self.overhead = self.bytes_received()

    def bytes_received(self) -> int:
        """All that the server sent since the last call: up to a mark that is added to the scene
        now, since messages keep their order."""
        self._marks += 1
        mark = np.full((1, 2, 3), 1e6 + self._marks, np.float32)
        self._scene.add_line_segments("/mark", mark, (0, 0, 0))
        total, data = 0, b""
        while mark.tobytes() not in data:
            data = self._ws.recv(timeout=PATIENCE)
            total += len(data)
        return total


@pytest.fixture
def page(viewer):
    protocol = f"viser-v{viser.__version__}"
    with connect(viewer.url.replace("http", "ws"), subprotocols=[protocol], max_size=None) as ws:
        yield Page(viewer, ws)


@pytest.fixture(scope="module")
def room() -> Snapshot:
    return room_snapshot(keyframes=4, width=128)


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
    assert page.bytes_received() > 100_000
    viewer.show(room)
    assert page.bytes_received() < 1.1 * page.overhead


def test_known_keyframes_are_moved_not_sent_again(viewer, page, room):
    viewer.show(room)
    page.bytes_received()
    moved = tuple(replace(view, T_world_cam=pose(0.1 + 0.2 * i),
                          maps=replace(view.maps, image=view.image.copy()))
                  for i, view in enumerate(room.keyframes))
    viewer.show(replace(room, version=room.version + 1, keyframes=moved))
    moving = page.bytes_received() - page.overhead
    added, _ = keyframe(990, 0.4, camera(128))
    viewer.show(replace(room, version=room.version + 2, keyframes=(*moved, added)))
    adding = page.bytes_received() - page.overhead
    assert 0 < moving < adding  # all four moved cost less than one that is new
    assert adding < 20_000


def test_a_longer_path_sends_its_end_only(viewer, page):
    turns = np.linspace(0, 6, 4 * scene.PATH_PIECE)
    trajectory = np.stack([pose(turn) for turn in turns])
    viewer.show(Snapshot(version=1, classes=NYU13, trajectory=trajectory[:-1]))
    whole = page.bytes_received() - page.overhead
    viewer.show(Snapshot(version=1, classes=NYU13, trajectory=trajectory))
    assert 0.1 * page.overhead < page.bytes_received() - page.overhead < 0.4 * whole


def test_keyframes_and_path_shrink_too(viewer, page, room):
    viewer.show(room)
    viewer.show(replace(room, version=2, keyframes=room.keyframes[:1],
                        trajectory=room.trajectory[:2], cloud=FusedCloud(), live=None))
    names = set(viewer._server.scene._handle_from_node_name)
    assert {n for n in names if n.startswith("/keyframes/")} == {"/keyframes/0"}
    assert {n for n in names if n.startswith("/path/")} == {"/path/0"}
    assert "/live" not in names and not {n for n in names if n.startswith("/map/points/")}


def chunk(count, left=0.0):
    """Points along a line."""
    points = np.zeros((count, 3), np.float32)
    points[:, 0] = left + np.linspace(0, 1, count)
    return PointCloud(points=points, colours=np.zeros((count, 3), np.uint8),
                      labels=np.zeros(count, np.uint8), confidence=np.zeros(count, np.float32))


def in_chunks(version, *chunks):
    return Snapshot(version=version, classes=NYU13, cloud=FusedCloud(dict(enumerate(chunks))))


def test_only_chunks_that_changed_are_sent(viewer, page):
    chunks = [chunk(3000, left) for left in range(10)]
    viewer.show(in_chunks(1, *chunks))
    whole = page.bytes_received() - page.overhead
    viewer.show(in_chunks(2, *chunks[:4], chunk(3000, 4.5), *chunks[5:]))
    moved = page.bytes_received() - page.overhead
    viewer.show(in_chunks(3, *chunks[:4], chunk(2000, 4.5), *chunks[5:]))
    shrunk = page.bytes_received() - page.overhead
    assert 0 < shrunk < moved < 0.12 * whole
    viewer.show(in_chunks(4, *chunks[:3]))
    assert page.bytes_received() - page.overhead < 0.02 * whole
    names = viewer._server.scene._handle_from_node_name
    assert {n for n in names if n.startswith("/map/points/")} == {
        f"/map/points/{n}" for n in range(3)}


def test_another_colour_mode_reaches_every_chunk(viewer, room):
    halves = FusedCloud({5: chunk(50), 9: chunk(70, 2.0)})
    viewer.show(replace(room, cloud=halves))
    viewer._panel._mode.value = "class"
    handles = viewer._server.scene._handle_from_node_name
    expected = NYU13.colours[0]
    for key in (5, 9):
        assert (handles[f"/map/points/{key}"].colors == expected).all()


def test_a_share_of_a_large_map_is_drawn_evenly_and_the_same_way_each_time():
    cloud = chunk(30_000)
    part = scene.subsampled(cloud, 1 / 30)
    assert len(part) == pytest.approx(1000, abs=2)
    assert np.histogram(part.points[:, 0], 10, (0, 1))[0].min() > 95
    assert np.array_equal(part.points, scene.subsampled(cloud, 1 / 30).points)
    assert scene.subsampled(cloud, 1.0) is cloud


def test_the_share_that_is_drawn_changes_rarely_as_the_map_grows():
    taken, steps = [], 0
    for points in (*range(0, 1_000_000, 5000), *range(1_000_000, 0, -5000)):
        steps = scene.share_steps(points, steps)
        taken.append(steps)
        drawn = points * scene.SHARE_STEP ** steps
        assert drawn <= scene.MAX_POINTS and (steps == 0 or drawn > 0.7 * scene.MAX_POINTS)
    assert taken[0] == taken[-1] == 0 and max(taken) < 8
    assert sum(a != b for a, b in zip(taken, taken[1:])) == 2 * max(taken)
    # to and fro about a limit
    assert scene.share_steps(scene.MAX_POINTS + 1, 0) == 1
    assert scene.share_steps(scene.MAX_POINTS - 1, 1) == 1


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
