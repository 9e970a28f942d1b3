"""A plan of the floor: a picture by class, and what a robot can drive through.

Coordinates are those of ``SavedMap.T_ground_world``: metres, x to the right and y ahead as the
first camera looked, the origin on the floor under it.  Images have y up: their last row is at the
lowest y.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml

from scenecode.core.atomic_write import write_bytes, write_text
from scenecode.core.errors import ConfigError
from scenecode.core.images import png_bytes, write_rgb
from scenecode.slam.exports.keyframe_arrays import write_class_table
from scenecode.slam.exports.options import ExportOptions
from scenecode.slam.output.saved_map import GROUND_CLASSES, SavedMap
from scenecode.slam.records.snapshot import KeyframeView

#: Heights over the floor, metres: what is lower is floor, what is higher can be driven under.
#: The picture is cut below the ceiling.
LOWEST_OBSTACLE, HIGHEST_OBSTACLE, CUT = 0.15, 1.8, 2.0
#: Values of cells in ROS' map_server: occupied, free, unknown.
OCCUPIED, FREE, UNKNOWN = 0, 254, 205
#: Points that make a cell an obstacle: fewer are noise.
MIN_POINTS = 3
#: Share of the points, at either end of each coordinate, that do not set the plan's size, and the
#: margin around the others, metres.
_OUTLIERS, _MARGIN = 0.005, 0.3
#: Cells along one side of a plan, at most.
LARGEST = 8192
#: Rays of a keyframe that clear cells: a grid of so many columns and rows.
_RAYS = (48, 36)
_BACKGROUND, _PATH_COLOUR = 255, (60, 60, 60)


@dataclass(frozen=True)
class _Grid:
    """Cells on the ground."""

    #: x and y of the lowest corner, metres, and edge of a cell
    x: float
    y: float
    resolution: float
    columns: int
    rows: int

    def cells(self, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows and columns (N,) in the image of points (N, 2), and whether they are inside."""
        column = np.floor((xy[:, 0] - self.x) / self.resolution).astype(np.int64)
        row = self.rows - 1 - np.floor((xy[:, 1] - self.y) / self.resolution).astype(np.int64)
        inside = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        return row, column, inside

    @property
    def world_file(self) -> str:
        """Metres a pixel to the right and down, and the centre of the first pixel."""
        r = self.resolution
        values = (r, 0.0, 0.0, -r, self.x + r / 2, self.y + (self.rows - 0.5) * r)
        return "".join(f"{value:.10g}\n" for value in values)


def write_floor_plan(saved: SavedMap, folder: Path, options: ExportOptions,
                     progress: Callable[[int, int], None]) -> None:
    """``floorplan.png`` by class with the camera's path, ``occupancy.png`` and ``occupancy.yaml``
    for ROS' map_server, a world file (``.pgw``) of either, ``ground.json`` with
    ``T_ground_world``, and ``classes.csv``."""
    T = saved.T_ground_world
    points = saved.cloud.points.astype(np.float64) @ T[:3, :3].T + T[:3, 3]
    path = saved.trajectory.positions @ T[:3, :3].T + T[:3, 3]
    cameras = np.array([(T @ view.T_world_cam)[:3, 3] for view in saved.keyframes])
    grid = _grid(points, np.concatenate([path, cameras]), options.resolution)
    occupancy = _occupancy(saved, points, grid, progress)
    write_rgb(folder / "floorplan.png", _picture(saved, points, path, grid))
    write_bytes(folder / "occupancy.png", png_bytes(occupancy))
    for name in ("floorplan", "occupancy"):
        write_text(folder / f"{name}.pgw", grid.world_file)
    write_text(folder / "occupancy.yaml", yaml.safe_dump({
        "image": "occupancy.png", "mode": "trinary", "resolution": float(grid.resolution),
        "origin": [grid.x, grid.y, 0.0], "negate": 0, "occupied_thresh": 0.65,
        "free_thresh": 0.196}, sort_keys=False))
    write_text(folder / "ground.json", json.dumps({"T_ground_world": T.tolist()}) + "\n")
    write_class_table(saved.classes, folder)


def _grid(points: np.ndarray, path: np.ndarray, resolution: float) -> _Grid:
    corners = [path[:, :2]]
    if len(points):
        corners.append(np.quantile(points[:, :2], [_OUTLIERS, 1 - _OUTLIERS], axis=0))
    low = np.concatenate(corners).min(0) - _MARGIN
    size = np.concatenate(corners).max(0) + _MARGIN - low
    # so that the same place is in the same cell of plans of later times
    low = np.floor(low / resolution) * resolution
    columns, rows = (np.ceil(size / resolution) + 1).astype(int).tolist()
    if max(columns, rows) > LARGEST:
        raise ConfigError(f"a floor plan of {size[0]:.0f} x {size[1]:.0f} m with cells of "
                          f"{resolution:g} m has more than {LARGEST} cells along one side; give "
                          f"--resolution {size.max() / LARGEST * 1.1:.2g} or more")
    return _Grid(x=float(low[0]), y=float(low[1]), resolution=resolution, columns=columns,
                 rows=rows)


def _occupancy(saved: SavedMap, points: np.ndarray, grid: _Grid,
               progress: Callable[[int, int], None]) -> np.ndarray:
    """(H, W) uint8: occupied where there are obstacles, free where there is floor or a keyframe
    saw through, else unknown."""
    image = np.full((grid.rows, grid.columns), UNKNOWN, np.uint8)
    for done, view in enumerate(saved.keyframes, 1):
        row, column, inside = grid.cells(_seen_through(view, saved.T_ground_world, grid))
        image[row[inside], column[inside]] = FREE
        progress(done, len(saved.keyframes))
    height = points[:, 2]
    is_ground = np.isin(saved.cloud.labels, [n for n, name in enumerate(saved.classes.names)
                                             if name in GROUND_CLASSES])
    low = np.abs(height) < LOWEST_OBSTACLE
    row, column, inside = grid.cells(points[:, :2])
    floor = inside & (low | is_ground)
    image[row[floor], column[floor]] = FREE
    obstacle = inside & ~is_ground & (height >= LOWEST_OBSTACLE) & (height <= HIGHEST_OBSTACLE)
    count = np.zeros(image.shape, np.int64)
    np.add.at(count, (row[obstacle], column[obstacle]), 1)
    image[count >= MIN_POINTS] = OCCUPIED
    return image


def _seen_through(view: KeyframeView, T_ground_world: np.ndarray, grid: _Grid) -> np.ndarray:
    """(N, 2) places along the rays of a keyframe, one for each cell or more, short of the surface
    that they end at, below the highest obstacle."""
    camera, depth = view.camera, view.depth
    u, v = (np.linspace(0, size - 1, min(size, count)).round().astype(int)
            for size, count in zip((camera.width, camera.height), _RAYS))
    z = depth[np.ix_(v, u)].ravel().astype(np.float64)
    pixels = torch.from_numpy(np.stack(np.meshgrid(u, v), -1).reshape(-1, 2)).double()
    T = T_ground_world @ view.T_world_cam
    ends = (camera.rays(pixels).numpy() * z[:, None])[z > 0] @ T[:3, :3].T
    if not len(ends):
        return np.zeros((0, 2))
    length = np.linalg.norm(ends, axis=1)
    count = int(np.ceil(length.max() / grid.resolution)) + 1
    # one step short of the surface, which is not free
    steps = np.arange(count) * grid.resolution
    places = T[:3, 3] + ends[:, None] * (steps[:, None] / length[:, None, None])
    free = (steps < length[:, None] - 2 * grid.resolution) & (places[..., 2] < HIGHEST_OBSTACLE)
    return places[free][:, :2]


def _picture(saved: SavedMap, points: np.ndarray, path: np.ndarray, grid: _Grid) -> np.ndarray:
    """(H, W, 3) uint8: the class of the highest point below the cut in each cell, and the
    camera's path."""
    image = np.full((grid.rows, grid.columns, 3), _BACKGROUND, np.uint8)
    row, column, inside = grid.cells(points[:, :2])
    order = np.argsort(points[:, 2], kind="stable")
    order = order[inside[order] & (points[order, 2] < CUT)]
    colours = saved.classes.paint(saved.cloud.labels[:, None])[:, 0]
    image[row[order], column[order]] = colours[order]
    row, column, _ = grid.cells(path[:, :2])
    line = np.stack([column, row], 1).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(image, [line], False, _PATH_COLOUR, 1, cv2.LINE_AA)
    return image
