"""A small furnished room seen by a turning camera, as the snapshot a system would give."""

import numpy as np

from scenecode.networks.classes import NYU13
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.snapshot import (
    FusedCloud,
    KeyframeView,
    LiveView,
    PointCloud,
    Snapshot,
    StoredMaps,
)

#: Low and high corner in metres; y points down.
ROOM = ((-2.5, -1.4, -2.0), (2.5, 1.2, 2.0))
FURNITURE = (((-2.4, 0.7, 0.3), (-0.6, 1.2, 1.9), "bed"),
             ((0.6, 0.5, 0.9), (1.9, 1.2, 1.8), "table"),
             ((1.6, -0.6, -1.9), (2.4, 1.2, -1.2), "furniture"))
BASE = {"wall": (196, 188, 170), "floor": (150, 105, 70), "ceiling": (235, 235, 230),
        "bed": (70, 110, 190), "table": (165, 120, 60), "furniture": (120, 70, 50)}


def camera(width: int = 256) -> PinholeCamera:
    return PinholeCamera(0.7 * width, 0.7 * width, width / 2 - 0.5, 0.375 * width - 0.5,
                         width, 3 * width // 4)


def pose(turn: float, radius: float = 0.6) -> np.ndarray:
    """T_world_cam of a camera on a circle, turned by ``turn`` radians about the vertical."""
    T = np.eye(4)
    T[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    T[:3, 3] = [radius * np.sin(turn), 0.05 * np.sin(3 * turn), radius * np.cos(turn) - radius]
    return T


def render(T_world_cam: np.ndarray, cam: PinholeCamera):
    """Image (H, W, 3) uint8, depth (H, W), labels (H, W) and world points (H, W, 3)."""
    rays = cam.rays(cam.pixel_grid()).numpy() @ T_world_cam[:3, :3].T
    centre = T_world_cam[:3, 3]
    with np.errstate(divide="ignore"):
        depth, axis = _leaving(rays, centre, *ROOM)
        label = np.where(axis == 1, np.where(rays[:, 1] > 0, _id("floor"), _id("ceiling")),
                         _id("wall"))
        for low, high, name in FURNITURE:
            near, near_axis, hit = _entering(rays, centre, low, high)
            hit &= near < depth
            depth, label = np.where(hit, near, depth), np.where(hit, _id(name), label)
            axis = np.where(hit, near_axis, axis)
    points = centre + rays * depth[:, None]
    image = _texture(points, label, axis)
    shape = (cam.height, cam.width)
    return (image.reshape(*shape, 3), depth.reshape(shape).astype(np.float32),
            label.reshape(shape).astype(np.uint8), points.reshape(*shape, 3))


def _id(name: str) -> int:
    return NYU13.names.index(name)


def _leaving(rays, centre, low, high):
    t = np.where(rays > 0, (np.array(high) - centre) / rays, (np.array(low) - centre) / rays)
    return t.min(1), t.argmin(1)


def _entering(rays, centre, low, high):
    a, b = (np.array(low) - centre) / rays, (np.array(high) - centre) / rays
    near, far = np.minimum(a, b), np.maximum(a, b)
    return near.max(1), near.argmax(1), (near.max(1) < far.min(1)) & (near.max(1) > 0)


def _texture(points, label, axis):
    colours = np.array([BASE.get(n, (0, 0, 0)) for n in NYU13.names], float)[label]
    tiles = np.floor(points / 0.25 + 1e-4)
    tiles[np.arange(len(tiles)), axis] = 0
    shade = 1 - 0.25 * (tiles.sum(1) % 2) - 0.08 * axis
    return np.clip(colours * shade[:, None], 0, 255).astype(np.uint8)


def keyframe(index: int, turn: float, cam: PinholeCamera) -> tuple[KeyframeView, np.ndarray]:
    image, depth, labels, points = render(pose(turn), cam)
    confidence = np.clip(1.2 - 0.2 * depth, 0, 1).astype(np.float32)
    maps = StoredMaps(image=image, depth=depth, depth_std=0.02 * depth, labels=labels,
                      confidence=confidence)
    view = KeyframeView(frame_index=index, timestamp=index / 30, T_world_cam=pose(turn),
                        camera=cam, maps=maps)
    return view, points


def room_snapshot(keyframes: int = 8, width: int = 256, step: int = 2,
                  full_turn: float = 2 * np.pi, lost: bool = False) -> Snapshot:
    """A map of ``keyframes`` keyframes of ``width`` pixels, every ``step``-th pixel a point."""
    cam = camera(width)
    turns = np.linspace(0, full_turn, keyframes, endpoint=False)
    pairs = [keyframe(10 * i, turn, cam) for i, turn in enumerate(turns)]
    views = tuple(view for view, _ in pairs)
    pick = (slice(None, None, step),) * 2
    cloud = PointCloud(
        points=np.concatenate([p[pick].reshape(-1, 3) for _, p in pairs]).astype(np.float32),
        colours=np.concatenate([v.image[pick].reshape(-1, 3) for v in views]),
        labels=np.concatenate([v.labels[pick].ravel() for v in views]),
        confidence=np.concatenate([v.confidence[pick].ravel() for v in views]))
    trajectory = np.stack([pose(t) for t in np.linspace(0, turns[-1], 10 * keyframes - 9)])
    last = views[-1]
    live = LiveView(frame_index=last.frame_index, timestamp=last.timestamp,
                    T_world_cam=last.T_world_cam, camera=cam, image=last.image, depth=last.depth,
                    labels=last.labels, lost=lost)
    return Snapshot(version=1, classes=NYU13, keyframes=views, cloud=FusedCloud.of(cloud),
                    trajectory=trajectory, live=live)
