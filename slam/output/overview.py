"""One picture of a result: the map in its own colours and by class, and some keyframes."""

import cv2
import numpy as np

from scenecode.core.colours import depth_colours
from scenecode.slam.records.ground import ground_axes
from scenecode.slam.records.snapshot import KeyframeView, Snapshot

#: Size of each of the two map panels, and the number of keyframes below them.
PANEL_WIDTH, PANEL_HEIGHT = 720, 560
SHOWN_KEYFRAMES = 5
#: How steeply the map is looked down upon, degrees.
ELEVATION_DEG = 40.0
#: Percent of the points, at either end of each coordinate, that do not set the picture's scale.
_OUTLIERS = 1.5
_BACKGROUND = 24
_PATH_COLOUR = (255, 255, 255)


def overview(snapshot: Snapshot) -> np.ndarray:
    """(H, W, 3) uint8: the map by image and by class from above, with the camera's path, over
    a row of keyframes with image, depth and labels."""
    cloud = snapshot.cloud
    by_class = snapshot.classes.paint(cloud.labels)
    top = np.hstack([_map_panel(snapshot, cloud.colours), _map_panel(snapshot, by_class)])
    return np.vstack([top, _keyframe_strip(snapshot, top.shape[1])])


def _map_panel(snapshot: Snapshot, colours: np.ndarray) -> np.ndarray:
    """The cloud in parallel projection from behind and above the first keyframe."""
    panel = np.full((PANEL_HEIGHT, PANEL_WIDTH, 3), _BACKGROUND, np.uint8)
    points = snapshot.cloud.points
    if not len(points) or not snapshot.keyframes:
        return panel
    R = _view_rotation(snapshot.keyframes)
    seen = points @ R.T
    path = snapshot.trajectory[:, :3, 3] @ R.T
    low, high = np.percentile(seen[:, :2], [_OUTLIERS, 100 - _OUTLIERS], axis=0)
    corners = np.vstack([low, high, path[:, :2]])
    low, high = corners.min(0), corners.max(0)
    scale = 0.92 * min(PANEL_WIDTH / max(high[0] - low[0], 1e-6),
                       PANEL_HEIGHT / max(high[1] - low[1], 1e-6))
    centre = np.array([PANEL_WIDTH / 2, PANEL_HEIGHT / 2])

    def place(x: np.ndarray) -> np.ndarray:
        return np.round((x[:, :2] - (low + high) / 2) * scale + centre).astype(int)

    pixels = place(seen)
    far_to_near = np.argsort(-seen[:, 2])
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        at = pixels + (right, down)
        inside = np.all((at >= 0) & (at < (PANEL_WIDTH, PANEL_HEIGHT)), axis=1)
        order = far_to_near[inside[far_to_near]]
        panel[at[order, 1], at[order, 0]] = colours[order]
    cv2.polylines(panel, [place(path).reshape(-1, 1, 2)], False, _PATH_COLOUR, 2, cv2.LINE_AA)
    return panel


def _view_rotation(keyframes: tuple[KeyframeView, ...]) -> np.ndarray:
    """(3, 3) world to picture (right, down, away), looking down by ``ELEVATION_DEG``."""
    right, down, ahead = ground_axes(np.stack([view.T_world_cam for view in keyframes]))
    tilt = np.radians(ELEVATION_DEG)
    away = np.cos(tilt) * ahead + np.sin(tilt) * down
    return np.stack([right, np.cross(away, right), away])


def _keyframe_strip(snapshot: Snapshot, width: int) -> np.ndarray:
    """Image, depth and labels of keyframes spread over the run, one above the other."""
    views = snapshot.keyframes
    if not views:
        return np.full((1, width, 3), _BACKGROUND, np.uint8)
    chosen = np.linspace(0, len(views) - 1, SHOWN_KEYFRAMES).round().astype(int)
    columns = [np.vstack([views[i].image, depth_colours(views[i].depth),
                          snapshot.classes.paint(views[i].labels)]) for i in chosen]
    strip = np.hstack(columns)
    height = round(strip.shape[0] * width / strip.shape[1])
    return cv2.resize(strip, (width, height), interpolation=cv2.INTER_AREA)
