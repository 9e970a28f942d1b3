"""A saved map of the box room, for tests of exports."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from support.box_room import room_snapshot

from scenecode.networks.classes import NYU13
from scenecode.slam.output.saved_map import SavedLandmarks, SavedLoop, SavedMap
from scenecode.slam.records.snapshot import FusedCloud, KeyframeView
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.records.triangle_mesh import TriangleMesh


def room_map(keyframes: int = 12, width: int = 64, probabilities: bool = True) -> SavedMap:
    """``keyframes`` keyframes, every tenth frame, on a turn; poses are exact."""
    snapshot = room_snapshot(keyframes, width)
    views = snapshot.keyframes
    stamps = np.arange(len(snapshot.trajectory)) / 30
    return SavedMap(
        path=Path("room.map"), classes=snapshot.classes, keyframes=views,
        numbers=tuple(range(len(views))), cloud=snapshot.cloud,
        trajectory=Trajectory(stamps, snapshot.trajectory),
        trajectory_live=Trajectory(stamps, snapshot.trajectory),
        loops=(SavedLoop(older=0, newer=len(views) - 1),) if len(views) > 1 else (),
        landmarks=landmarks(views), losses=((3, 4),), report={"frames": len(stamps)}, config="",
        _probabilities=(lambda index: probabilities_of(views[index])) if probabilities else None)


def empty_map() -> SavedMap:
    """A map without keyframes."""
    full = room_map(1)
    return replace(full, keyframes=(), numbers=(), cloud=FusedCloud(), trajectory=Trajectory(),
                   trajectory_live=Trajectory(), landmarks=SavedLandmarks.empty(), losses=())


def probabilities_of(view: KeyframeView, classes: int = 13) -> np.ndarray:
    """(C, H, W) at which the label has its confidence and the others share the rest."""
    rest = (1 - view.confidence) / (classes - 1)
    found = np.tile(rest, (classes, 1, 1))
    np.put_along_axis(found, view.labels[None].astype(int), view.confidence[None], axis=0)
    return found.astype(np.float32)


def project(view: KeyframeView, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 2) and depths (N,) of points (N, 3) of the world."""
    T, c = np.linalg.inv(view.T_world_cam), view.camera
    x = points @ T[:3, :3].T + T[:3, 3]
    return x[:, :2] / x[:, 2:] * [c.fx, c.fy] + [c.cx, c.cy], x[:, 2]


def landmarks(views: tuple[KeyframeView, ...]) -> SavedLandmarks:
    """Some pixels of each keyframe, observed where they project into the next one; the last
    observation is of something else."""
    points, observed = [], []
    for index, view in enumerate(views):
        c = view.camera
        for v in range(4, c.height, 12):
            for u in range(4, c.width, 12):
                ray = np.array([(u - c.cx) / c.fx, (v - c.cy) / c.fy, 1])
                x = view.T_world_cam[:3, :3] @ ray * view.depth[v, u] + view.T_world_cam[:3, 3]
                number = len(points)
                points.append(x)
                observed.append((number, index, (u, v)))
                other = (index + 1) % len(views)
                pixel, z = project(views[other], x[None])
                inside = np.all((pixel[0] >= 0) & (pixel[0] <= [c.width - 1, c.height - 1]))
                if other != index and z[0] > 0 and inside:
                    observed.append((number, other, tuple(pixel[0])))
    number, index, (u, v) = observed[-1]
    observed[-1] = number, index, (u + 20, v)
    return SavedLandmarks(
        points=np.array(points), log_std=np.full(len(points), 0.05),
        landmark=np.array([n for n, _, _ in observed]),
        keyframe=np.array([k for _, k, _ in observed]),
        pixels=np.array([p for _, _, p in observed], np.float64))


def box_mesh(cells: int = 6) -> TriangleMesh:
    """A floor of ``cells`` by ``cells`` squares 1.2 m under the first camera, whose last column is
    a bed."""
    x, z = np.meshgrid(np.linspace(-1, 1, cells + 1), np.linspace(0, 2, cells + 1))
    vertices = np.stack([x.ravel(), np.full(x.size, 1.2), z.ravel()], 1).astype(np.float32)
    number = np.arange(x.size).reshape(x.shape)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    triangles = np.concatenate([np.stack(corners, -1).reshape(-1, 3)
                                for corners in ((a, b, c), (b, d, c))])
    shades = np.linspace(0, 255, len(vertices)).astype(np.uint8)
    labels = np.where(x.ravel() > 0.9, NYU13.names.index("bed"), NYU13.names.index("floor"))
    return TriangleMesh(
        vertices=vertices, triangles=triangles.astype(np.int32),
        colours=np.stack([shades, shades[::-1], shades], 1), labels=labels.astype(np.uint8),
        confidence=np.linspace(0.5, 1, len(vertices)).astype(np.float32),
        normals=np.tile(np.float32([0, -1, 0]), (len(vertices), 1)))
