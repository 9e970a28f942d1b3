"""The layers of the 3-D scene; each sends to the browser only what changed."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import viser
import viser.transforms

from scenecode.networks.classes import ClassSet
from scenecode.slam.records.snapshot import FusedCloud, KeyframeView, LiveView, PointCloud
from scenecode.viewer.colours import cloud_colours

#: A browser draws this many points smoothly; of a larger map it gets a share.
MAX_POINTS = 250_000
#: Factor from one share to the next smaller one.  A share changes rarely, since everything is
#: sent again then, and grows again only when the map has become smaller by ``SHARE_SLACK``.
SHARE_STEP, SHARE_SLACK = 0.8, 0.9
#: Poses per piece of the path; a piece is sent again only when a pose in it moved.
PATH_PIECE = 256
#: Height and width in metres of the drawn cameras' image plane, roughly.
KEYFRAME_SIZE, LIVE_SIZE = 0.08, 0.16
#: Line widths in screen pixels.
PATH_WIDTH, FRUSTUM_WIDTH = 3.0, 2.0
#: Width in pixels of the pictures on keyframes.
THUMBNAIL_WIDTH = 128

_GOLDEN_RATIO = (math.sqrt(5) - 1) / 2

PATH_COLOUR = (64, 160, 255)
KEYFRAME_COLOUR = (150, 190, 230)
LIVE_COLOUR = (60, 220, 110)
LOST_COLOUR = (255, 60, 60)


def rotation_wxyz(T_world_cam: np.ndarray) -> np.ndarray:
    """Unit quaternion (w, x, y, z) of a (4, 4) pose."""
    return viser.transforms.SO3.from_matrix(T_world_cam[:3, :3]).wxyz


@dataclass
class _DrawnChunk:
    whole: PointCloud
    #: those of its points that are drawn
    part: PointCloud
    handle: viser.PointCloudHandle


class MapLayer:
    """The fused points, coloured by image, class or confidence, in one point cloud a chunk."""

    def __init__(self, scene: viser.SceneApi):
        self._scene = scene
        self._chunks: dict[int, _DrawnChunk] = {}
        #: see ``share_steps``
        self._share_steps = 0
        #: classes, colour mode and point size that all chunks are drawn with
        self._look: tuple[ClassSet, str, float] | None = None

    @property
    def drawn(self) -> int:
        """Points that are drawn: about ``MAX_POINTS`` at most."""
        return sum(len(chunk.part) for chunk in self._chunks.values())

    def show(self, cloud: FusedCloud, classes: ClassSet, mode: str, point_size: float) -> None:
        """Draw ``cloud``; ``point_size`` in metres."""
        steps, look = share_steps(len(cloud), self._share_steps), (classes, mode, point_size)
        for key in [key for key in self._chunks if key not in cloud.chunks]:
            self._chunks.pop(key).handle.remove()
        for key, chunk in cloud.chunks.items():
            drawn = self._chunks.get(key)
            if drawn is None or drawn.whole is not chunk or steps != self._share_steps:
                self._send(key, chunk, SHARE_STEP ** steps, look)
            elif look != self._look:
                drawn.handle.colors = cloud_colours(drawn.part, classes, mode)
                drawn.handle.point_size = point_size
        self._share_steps, self._look = steps, look

    def _send(self, key: int, chunk: PointCloud, share: float,
              look: tuple[ClassSet, str, float]) -> None:
        drawn, part = self._chunks.pop(key, None), subsampled(chunk, share)
        if drawn is not None and len(part) != len(drawn.part):
            drawn.handle.remove()
            drawn = None
        if not len(part):
            return
        classes, mode, point_size = look
        colours = cloud_colours(part, classes, mode)
        if drawn is None:
            handle = self._scene.add_point_cloud(
                f"/map/points/{key}", part.points, colours, point_size=point_size,
                point_shape="rounded", point_shading="flat", precision="float32")
        else:
            handle = drawn.handle
            handle.points, handle.colors, handle.point_size = part.points, colours, point_size
        self._chunks[key] = _DrawnChunk(whole=chunk, part=part, handle=handle)


def share_steps(points: int, steps: int) -> int:
    """How many times the share of a map's points that is drawn is reduced by ``SHARE_STEP``,
    where it was ``steps`` times before."""
    while SHARE_STEP ** steps * points > MAX_POINTS:
        steps += 1
    while steps and SHARE_STEP ** (steps - 1) * points < SHARE_SLACK * MAX_POINTS:
        steps -= 1
    return steps


def subsampled(cloud: PointCloud, share: float) -> PointCloud:
    """A share of the points of ``cloud``, spread evenly over it, always the same ones."""
    if share >= 1:
        return cloud
    # multiples of the golden ratio, modulo 1: the most even sequence whatever the share
    chosen = np.arange(len(cloud)) * _GOLDEN_RATIO % 1 < share
    return PointCloud(points=cloud.points[chosen], colours=cloud.colours[chosen],
                      labels=cloud.labels[chosen], confidence=cloud.confidence[chosen])


class PathLayer:
    """The camera path, in pieces."""

    def __init__(self, scene: viser.SceneApi):
        self._scene = scene
        self._pieces: list[viser.LineSegmentsHandle] = []

    def show(self, trajectory: np.ndarray) -> None:
        """Draw the centres of the poses (N, 4, 4), joined in order."""
        centres = trajectory[:, :3, 3].astype(np.float32)
        segments = np.stack([centres[:-1], centres[1:]], 1)
        pieces = [segments[i : i + PATH_PIECE] for i in range(0, len(segments), PATH_PIECE)]
        for surplus in self._pieces[len(pieces):]:
            surplus.remove()
        del self._pieces[len(pieces):]
        for number, piece in enumerate(pieces):
            if number < len(self._pieces):
                self._pieces[number].points = piece  # sent only when it differs
            else:
                self._pieces.append(self._scene.add_line_segments(
                    f"/path/{number}", piece, PATH_COLOUR, thickness=PATH_WIDTH,
                    thickness_units="screen"))


@dataclass
class _DrawnKeyframe:
    view: KeyframeView
    handle: viser.CameraFrustumHandle


class KeyframeLayer:
    """One small camera with a thumbnail per keyframe."""

    def __init__(self, scene: viser.SceneApi):
        self._scene = scene
        self._drawn: dict[int, _DrawnKeyframe] = {}

    def show(self, keyframes: tuple[KeyframeView, ...]) -> None:
        """Draw ``keyframes``; one whose image was sent before is moved only."""
        present = {view.frame_index for view in keyframes}
        for index in [i for i in self._drawn if i not in present]:
            self._drawn.pop(index).handle.remove()
        for view in keyframes:
            drawn = self._drawn.get(view.frame_index)
            if drawn is None or not _same_frame(drawn.view, view):
                handle = self._add(view)
                self._drawn[view.frame_index] = _DrawnKeyframe(view=view, handle=handle)
            elif drawn.view is not view:
                drawn.view = view
                _move(drawn.handle, view.T_world_cam)

    def _add(self, view: KeyframeView) -> viser.CameraFrustumHandle:
        return _add_camera(self._scene, f"/keyframes/{view.frame_index}", view,
                           KEYFRAME_SIZE, KEYFRAME_COLOUR, _thumbnail(view.image))


class LiveLayer:
    """The camera as it is now; red while lost."""

    def __init__(self, scene: viser.SceneApi):
        self._scene = scene
        self._view: LiveView | None = None
        self._handle: viser.CameraFrustumHandle | None = None

    def show(self, view: LiveView | None) -> None:
        """Draw ``view``, or nothing for None."""
        if view is self._view:
            return
        before, self._view = self._view, view
        if self._handle is not None and (view is None or before is None
                                         or view.camera != before.camera):
            self._handle.remove()
            self._handle = None
        if view is None:
            return
        colour = LOST_COLOUR if view.lost else LIVE_COLOUR
        if self._handle is None:
            self._handle = _add_camera(self._scene, "/live", view, LIVE_SIZE, colour,
                                       _thumbnail(view.image))
            return
        self._handle.color = colour
        self._handle.image = _thumbnail(view.image)
        _move(self._handle, view.T_world_cam)


def _add_camera(scene: viser.SceneApi, name: str, view: KeyframeView | LiveView, size: float,
                colour: tuple[int, int, int], image: np.ndarray) -> viser.CameraFrustumHandle:
    camera = view.camera
    return scene.add_camera_frustum(
        name, fov=2 * math.atan(0.5 * camera.height / camera.fy),
        aspect=(camera.width / camera.fx) / (camera.height / camera.fy), scale=size,
        thickness=FRUSTUM_WIDTH, thickness_units="screen", color=colour, image=image,
        cast_shadow=False, receive_shadow=False,
        wxyz=rotation_wxyz(view.T_world_cam), position=view.T_world_cam[:3, 3])


def _move(handle: viser.CameraFrustumHandle, T_world_cam: np.ndarray) -> None:
    handle.wxyz = rotation_wxyz(T_world_cam)
    handle.position = T_world_cam[:3, 3]


def _same_frame(a: KeyframeView, b: KeyframeView) -> bool:
    """Whether both are of one frame, which has one image."""
    return a.timestamp == b.timestamp and a.camera == b.camera


def _thumbnail(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    if width <= THUMBNAIL_WIDTH:
        return image
    size = (THUMBNAIL_WIDTH, max(1, round(height * THUMBNAIL_WIDTH / width)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
