"""``scenecode evaluate mesh``: the surface of a saved map against the faces of a built-in room."""

import argparse
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from rich.table import Table
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from scenecode.core.console import make_console
from scenecode.core.errors import ResultError, SourceError
from scenecode.networks.data.rendering.faces import DISC, TRIANGLE, Faces
from scenecode.networks.data.rooms import Room
from scenecode.slam.evaluation.alignment import Similarity, align, matched_poses
from scenecode.slam.output.saved_map import open_saved
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.records.triangle_mesh import TriangleMesh
from scenecode.slam.sources import open_source
from scenecode.slam.sources.rooms import RoomsSource
from scenecode.slam.surface.saved_surface import surface_of

#: Distance between the points that stand for a true face, metres.  They make a distance of 5 cm
#: at most 0.5 mm too long.
SPACING = 0.01
#: Edge of the cells, in metres, of which each has one point of the true surface that keyframes
#: see.
CELL = 0.03
#: Distance of an estimated path from the true one, as a part of the latter's extent (both root
#: mean square), beyond which it is that of another room.
_MAX_MISFIT = 0.5

EXAMPLES = """example:
  scenecode demo --out result
  scenecode evaluate mesh result --truth rooms:7:150 --json"""


@dataclass(frozen=True)
class SurfaceScores:
    """Distances from a mesh to the true surface, of equal shares of the mesh's area, and how much
    of what keyframes see the mesh covers."""

    #: shares of the area
    share_within_5cm: float
    share_within_10cm: float
    #: shares of the true surface that keyframes see, edges and what one alone sees included, from
    #: which the mesh is that near
    covered_within_5cm: float
    covered_within_10cm: float
    #: metres
    median_m: float
    p90_m: float
    #: square metres, at the true scale
    area_m2: float
    triangles: int


def alignment(truth: Trajectory, estimate: Trajectory) -> Similarity:
    """The similarity from an estimated world to the true one: the scale of the camera's path, the
    mean rotation between orientations, and the mean position.

    The rotation that fits positions alone is uncertain by degrees where a path is short.  Raises
    ``ResultError`` when too few poses match in time, or paths do not resemble each other.
    """
    true, estimated = (t.T_world_cam for t in matched_poses(truth, estimate))
    scale = align(true[:, :3, 3], estimated[:, :3, 3]).scale
    turns = Rotation.from_matrix(true[:, :3, :3] @ estimated[:, :3, :3].transpose(0, 2, 1))
    R = turns.mean().as_matrix()
    shift = true[:, :3, 3].mean(0) - scale * R @ estimated[:, :3, 3].mean(0)
    found = Similarity(scale, R, shift)
    misfit = np.linalg.norm(found.apply(estimated[:, :3, 3]) - true[:, :3, 3])
    if misfit > _MAX_MISFIT * np.linalg.norm(true[:, :3, 3] - true[:, :3, 3].mean(0)):
        raise ResultError("the path of the camera is not that of the true one: the map is of "
                          "another room or walk, or was lost; --truth rooms:SEED:FRAMES names "
                          "what was mapped")
    return found


def surface_scores(mesh: TriangleMesh, T_true_est: Similarity, room: Room,
                   seen: np.ndarray) -> SurfaceScores:
    """``seen`` (N, 3) are points of the true surface that keyframes see.  Raises ``ResultError``
    for a mesh without triangles."""
    if not len(mesh.triangles):
        raise ResultError("the map has no surface; map until two keyframes see one surface")
    corners = T_true_est.apply(mesh.vertices.astype(np.float64))[mesh.triangles]
    a, b, c = corners.transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    tree = cKDTree(face_points(room.faces, SPACING))
    distance = np.asarray(tree.query(corners.mean(1))[0])
    order = np.argsort(distance)
    share = np.cumsum(area[order]) / area.sum()
    median, p90 = (float(distance[order][np.searchsorted(share, q)]) for q in (0.5, 0.9))
    within = {limit: float(area[distance < limit].sum() / area.sum()) for limit in (0.05, 0.1)}
    nearest = np.asarray(cKDTree(corners.mean(1)).query(seen, distance_upper_bound=0.1)[0])
    return SurfaceScores(share_within_5cm=within[0.05], share_within_10cm=within[0.1],
                         covered_within_5cm=float((nearest < 0.05).mean()),
                         covered_within_10cm=float((nearest < 0.1).mean()),
                         median_m=median, p90_m=p90, area_m2=float(area.sum()),
                         triangles=len(mesh.triangles))


def seen_points(source: RoomsSource, frames: Iterable[int]) -> np.ndarray:
    """(N, 3) points of the true surface that some frames of a walk see, one a ``CELL``."""
    points = []
    for index in frames:
        truth = source.frame(index).truth
        assert truth is not None and truth.depth is not None    # of every room
        depth, camera = truth.depth.numpy().reshape(-1, 1), source.camera
        x = camera.rays(camera.pixel_grid(dtype=torch.float64)).numpy() * depth
        T = source.poses[index]
        points.append(x @ T[:3, :3].T + T[:3, 3])
    joined = np.concatenate(points)
    _, first = np.unique(np.floor(joined / CELL).astype(int), axis=0, return_index=True)
    return joined[first]


def face_points(faces: Faces, spacing: float) -> np.ndarray:
    """(N, 3) points on all faces, at most ``spacing`` apart along their edges, metres."""
    points = []
    for i in range(len(faces)):
        counts = [int(np.linalg.norm(edge[i]) / spacing) + 2
                  for edge in (faces.edge_s, faces.edge_t)]
        s, t = (values.ravel() for values in np.meshgrid(
            *(np.linspace(0, 1, count) for count in counts)))
        if faces.kind[i] == TRIANGLE:
            inside = s + t <= 1
        elif faces.kind[i] == DISC:
            inside = (s - 0.5) ** 2 + (t - 0.5) ** 2 <= 0.25
        else:
            inside = np.ones(len(s), bool)
        s, t = s[inside, None], t[inside, None]
        points.append(faces.origin[i] + s * faces.edge_s[i] + t * faces.edge_t[i])
    return np.concatenate(points)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode evaluate mesh``."""
    parser.add_argument("path", metavar="PATH",
                        help="a map file, which run --map writes, or the --out folder of a run")
    parser.add_argument("--truth", metavar="rooms:SEED:FRAMES", default="rooms:7:150",
                        help="the room that was mapped, and the length of the walk (default: "
                             "%(default)s, which is the demo's)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode evaluate mesh``; returns the exit status."""
    source = open_source(args.truth)
    if not isinstance(source, RoomsSource):
        raise SourceError(f"--truth {args.truth}: only built-in rooms have a true surface; give "
                          "rooms:SEED:FRAMES")
    saved = open_saved(args.path)
    truth = Trajectory(np.arange(len(source.poses)) / source.fps, source.poses)
    T_true_est = alignment(truth, saved.trajectory)
    started = time.monotonic()
    mesh = surface_of(saved)
    seconds = time.monotonic() - started
    seen = seen_points(source, (view.frame_index for view in saved.keyframes))
    scores = {**vars(surface_scores(mesh, T_true_est, source.room, seen)),
              "scale": T_true_est.scale, "mesh_seconds": seconds}
    if args.json:
        print(json.dumps(scores))
        return 0
    table = Table(title=f"surface of {args.path} against {args.truth}",
                  show_header=False)
    for name, value in scores.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    make_console().print(table)
    return 0
