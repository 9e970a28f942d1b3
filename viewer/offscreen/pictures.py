"""A picture of a map, and a video of a turn around it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from scenecode.core.atomic_write import replacing
from scenecode.core.colours import amount_colours
from scenecode.core.errors import ConfigError, ResultError
from scenecode.core.images import write_rgb
from scenecode.slam.records.snapshot import Snapshot
from scenecode.viewer.inspection.class_statistics import point_spacing
from scenecode.viewer.inspection.ground import extent, ground_of, transformed
from scenecode.viewer.offscreen.eye import eye_at
from scenecode.viewer.offscreen.splatting import draw, reduced

COLOURS = ("image", "class", "confidence", "height")
BACKGROUNDS = {"dark": (17, 23, 32), "light": (214, 220, 228), "black": (0, 0, 0),
               "white": (255, 255, 255)}
#: Points that are drawn at most, spread evenly over the map.
MAX_POINTS = 600_000
#: Pictures are drawn larger by this factor, so that edges are smooth; those of a video are not.
SMOOTHING = 2
FPS = 30
PATH_COLOUR = (77, 171, 247)
#: Metres between two points of the drawn path.
_PATH_STEP = 0.01


class MapPictures:
    """Draws a snapshot.

    ``ceiling``: metres over the floor above which nothing is drawn.  Raises ``ConfigError`` for an
    unknown colouring or background and for a map without points.
    """

    def __init__(self, snapshot: Snapshot, colour: str = "image", background: str = "dark",
                 ceiling: float | None = None):
        if colour not in COLOURS or background not in BACKGROUNDS:
            raise ConfigError(f"there is no colouring {colour!r} on {background!r}; choose one of "
                              f"{', '.join(COLOURS)} and one of {', '.join(BACKGROUNDS)}")
        if not len(snapshot.cloud):
            raise ConfigError("the map has no points to draw; open one with keyframes")
        T = ground_of(snapshot)
        self._low, self._high = extent(snapshot, T)
        chosen = np.random.default_rng(0).permutation(len(snapshot.cloud))[:MAX_POINTS]
        points = transformed(snapshot.cloud.points[chosen], T)
        colours = _colours(snapshot, colour, chosen, points)
        if ceiling is not None:
            below = points[:, 2] <= ceiling
            points, colours = points[below], colours[below]
        self._spacing = point_spacing(points[: 60_000]) if len(chosen) <= 60_000 \
            else _spacing(points)
        path = _dense(transformed(snapshot.trajectory[:, :3, 3], T))
        self._points = np.concatenate([points, path])
        blue = np.broadcast_to(np.array(PATH_COLOUR, np.uint8), (len(path), 3))
        self._colours = np.concatenate([colours, blue])
        self._background = BACKGROUNDS[background]
        self._turn = _start_turn(snapshot, T, (self._low + self._high) / 2)

    def picture(self, view: str, width: int, height: int, turn: float = 0.0,
                smoothing: int = SMOOTHING) -> np.ndarray:
        """(height, width, 3) uint8 from a view of ``eye_at``, turned by ``turn`` radians."""
        eye = eye_at(view, self._low, self._high, self._turn + turn, width / height)
        drawn = draw(self._points, self._colours, self._spacing, eye, smoothing * width,
                     smoothing * height, self._background)
        return reduced(drawn, smoothing) if smoothing > 1 else drawn

    def turntable(self, view: str, width: int, height: int, frames: int) -> Iterator[np.ndarray]:
        """The pictures of one turn around the map."""
        for turn in np.linspace(0, 2 * np.pi, frames, endpoint=False):
            yield self.picture(view, width, height, turn, smoothing=1)


def write_screenshot(path: Path, pictures: MapPictures, view: str, width: int,
                     height: int) -> None:
    """Write a PNG or JPEG file, by the ending of ``path``."""
    write_rgb(path, pictures.picture(view, width, height))


def write_video(path: Path, pictures: MapPictures, view: str, width: int, height: int,
                seconds: float, on_frame: Callable[[], None] = lambda: None) -> None:
    """Write a turn around the map as an MP4 file (MPEG-4).  Raises ``ResultError`` when it cannot
    be written."""
    with replacing(path) as part:
        # OpenCV chooses the container by the ending
        temporary = part.with_name(part.name + ".mp4")
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), FPS,
                                 (width, height))
        if not writer.isOpened():
            raise ResultError(f"{path}: cannot write the video; check its folder, and that the "
                              "name ends with .mp4")
        try:
            for picture in pictures.turntable(view, width, height, max(1, round(FPS * seconds))):
                writer.write(picture[..., ::-1].copy())
                on_frame()
        finally:
            writer.release()
        temporary.replace(part)


def _start_turn(snapshot: Snapshot, T_ground_world: np.ndarray, centre: np.ndarray) -> float:
    """Radians about the vertical: into the room from the side that the cameras were on."""
    if not snapshot.keyframes:
        return 0.8
    poses = T_ground_world @ np.array([view.T_world_cam for view in snapshot.keyframes])
    ahead = (centre - poses[:, :3, 3].mean(0))[:2]
    if np.linalg.norm(ahead) < 0.7:
        ahead = poses[:, :2, 2].mean(0)
    return float(np.arctan2(ahead[1], ahead[0])) + 0.2


def _colours(snapshot: Snapshot, colour: str, chosen: np.ndarray,
             points: np.ndarray) -> np.ndarray:
    if colour == "image":
        return snapshot.cloud.colours[chosen]
    if colour == "class":
        return snapshot.classes.paint(snapshot.cloud.labels[chosen])
    if colour == "confidence":
        amounts = snapshot.cloud.confidence[chosen]
    else:
        low, high = np.percentile(points[:, 2], [1, 99])
        amounts = (points[:, 2] - low) / max(high - low, 1e-6)
    return amount_colours(amounts[:, None])[:, 0]


def _spacing(points: np.ndarray) -> float:
    """As ``point_spacing``, of the points about the middle of the map."""
    away = np.abs(points - np.median(points, axis=0)).max(1)
    return point_spacing(points[np.argpartition(away, 60_000)[:60_000]])


def _dense(path: np.ndarray) -> np.ndarray:
    """Points along a path (N, 3), ``_PATH_STEP`` apart."""
    if len(path) < 2:
        return path
    lengths = np.linalg.norm(np.diff(path, axis=0), axis=1)
    at = np.concatenate([[0], np.cumsum(lengths)])
    steps = np.arange(0, at[-1], max(_PATH_STEP, at[-1] / 50_000))
    return np.stack([np.interp(steps, at, path[:, i]) for i in range(3)], 1)
