"""The standard viewer: a web page, served by viser."""

import threading

import numpy as np
import viser

from scenecode.slam.records.snapshot import Snapshot
from scenecode.viewer.address import free_port, page_url
from scenecode.viewer.panel import Panel
from scenecode.viewer.scene import KeyframeLayer, LiveLayer, MapLayer, PathLayer

#: Position and target of the eye relative to the camera that it follows, in metres.
EYE_BEHIND, EYE_ABOVE, EYE_AHEAD = 1.6, 0.7, 2.0
#: Seconds that ``close`` waits for the server at the most.
STOP_PATIENCE = 1.0


class WebViewer:
    """Shows the map, the path, the keyframes and the current frame in a browser.

    Listens on ``host`` (by default this machine only) at ``port`` or the next free one; ``url``
    says where.  Raises ``ViewerError`` when it cannot.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 8080):
        self._server = viser.ViserServer(host, free_port(host, port), label="scenecode",
                                         verbose=False)
        # Guards all below: ``show`` runs in the viewer's thread, controls in the server's.
        self._lock = threading.RLock()
        self._snapshot: Snapshot | None = None
        self._up: np.ndarray | None = None  # (3,) in the world, once a pose is known
        self._closed = False
        scene = self._server.scene
        self._groups = {name: scene.add_frame(name, show_axes=False)
                        for name in ("/map", "/path", "/keyframes")}
        self._map, self._path = MapLayer(scene), PathLayer(scene)
        self._keyframes, self._live = KeyframeLayer(scene), LiveLayer(scene)
        self._panel = Panel(self._server.gui, self._on_control)

    @property
    def url(self) -> str:
        """Address of the page."""
        return page_url(self._server.get_host(), self._server.get_port())

    def show(self, snapshot: Snapshot) -> None:
        """Draw ``snapshot``; parts that did not change are not sent again."""
        with self._lock:
            before, self._snapshot = self._snapshot, snapshot
            with self._server.atomic():
                self._place_eye(snapshot)
                if before is None or snapshot.version != before.version:
                    self._keyframes.show(snapshot.keyframes)
                    self._show_map(snapshot)
                self._path.show(snapshot.trajectory)
                self._live.show(snapshot.live)
                self._panel.show(snapshot, self._map.drawn)
            self._follow(snapshot)

    def close(self) -> None:
        """Stop the server.  A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        # The port is free at once, but viser then waits for half-open connections, which
        # browsers keep in reserve; Ctrl-C must not wait for them.
        stopping = threading.Thread(target=self._server.stop, name="viewer-stop", daemon=True)
        stopping.start()
        stopping.join(STOP_PATIENCE)

    def _show_map(self, snapshot: Snapshot) -> None:
        self._map.show(snapshot.cloud, snapshot.classes, self._panel.colour_mode,
                       self._panel.point_size)

    def _on_control(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._groups["/map"].visible = self._panel.map_shown
            self._groups["/path"].visible = self._panel.path_shown
            self._groups["/keyframes"].visible = self._panel.keyframes_shown
            if self._snapshot is not None:
                self._show_map(self._snapshot)
                self._follow(self._snapshot)

    def _place_eye(self, snapshot: Snapshot) -> None:
        """Once, when the first pose is known: up is that camera's up (its -y), and the
        eye is behind it."""
        poses = _camera_poses(snapshot)
        if self._up is not None or not poses:
            return
        self._up = up = -poses[0][:3, 1]
        self._server.scene.set_up_direction(up)
        initial = self._server.initial_camera
        initial.position, initial.look_at = _chasing_eye(poses[0], up)
        initial.up = up
        self._turn_eyes(poses[0], up)

    def _follow(self, snapshot: Snapshot) -> None:
        poses = _camera_poses(snapshot)
        if self._panel.follows and poses and self._up is not None:
            self._turn_eyes(poses[-1], self._up)

    def _turn_eyes(self, T_world_cam: np.ndarray, up: np.ndarray) -> None:
        eye, target = _chasing_eye(T_world_cam, up)
        for client in self._server.get_clients().values():
            with client.atomic():
                client.camera.up_direction = up
                client.camera.position = eye
                client.camera.look_at = target


def _camera_poses(snapshot: Snapshot) -> list[np.ndarray]:
    """The poses T_world_cam that are known, the first and the newest at the ends."""
    poses = [*snapshot.trajectory[:1], *(view.T_world_cam for view in snapshot.keyframes)]
    poses.extend(snapshot.trajectory[-1:])
    if snapshot.live is not None:
        poses.append(snapshot.live.T_world_cam)
    return poses


def _chasing_eye(T_world_cam: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position and target (3,) of the eye behind and above a camera."""
    forward, centre = T_world_cam[:3, 2], T_world_cam[:3, 3]
    return centre - EYE_BEHIND * forward + EYE_ABOVE * up, centre + EYE_AHEAD * forward
