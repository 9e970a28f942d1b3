"""Scores against ground truth: of a trajectory, and of the keyframes' depth and labels."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from scenecode.core.errors import ResultError
from scenecode.networks.classes import VOID
from scenecode.networks.evaluation.metrics import Confusion
from scenecode.slam.records.frame import GroundTruth
from scenecode.slam.records.snapshot import KeyframeView
from scenecode.slam.records.trajectory import (
    MAX_DIFFERENCE,
    Trajectory,
    read_tum,
    trajectory_errors,
)
from scenecode.slam.sources.base.options import DEFAULT_FPS
from scenecode.slam.sources.datasets.posed import is_posed, read_line_poses
from scenecode.slam.sources.datasets.seven_scenes import is_seven_scenes, read_poses
from scenecode.slam.sources.datasets.tum import has_truth, is_tum, read_image_poses

#: A depth counts as right when it is off by less than this part of the truth.
RIGHT_WITHIN = 0.10

#: How the table shows each score: title, unit, factor, decimals.
_ROWS = {
    "ate_m": ("position error (ATE, after Sim(3))", "m", 1, 4),
    "rotation_deg": ("rotation error (RMSE)", "deg", 1, 3),
    "rpe_m": ("frame-to-frame translation error (RPE)", "m", 1, 5),
    "coverage": ("true poses that have an estimate", "%", 100, 1),
    "zero_motion_ate_m": ("position error of a camera that never moves", "m", 1, 4),
    "path_length_m": ("length of the true path", "m", 1, 3),
    "scale": ("true metres per estimated metre", "", 1, 4),
}


def evaluate_trajectory(gt: str | Path | Trajectory, est: str | Path | Trajectory,
                        max_difference: float = MAX_DIFFERENCE,
                        fps: float = DEFAULT_FPS) -> dict[str, float]:
    """The scores of ``scenecode.slam.records.trajectory.trajectory_errors``.

    ``gt`` is a TUM file, a 7-Scenes folder (poses stamped frame number / ``fps``), a TUM
    RGB-D folder (its ground truth at the moments of its images), or a trajectory; ``est`` is
    a TUM file, a result folder, or a trajectory.  Coverage counts the poses of ``gt``: a
    motion-capture file much denser than the images gives a low one, its folder does not.
    Raises ``ResultError`` for files that cannot be read or do not match in time.
    """
    return trajectory_errors(_ground_truth(gt, fps), _estimate(est), max_difference)


def evaluate_maps(keyframes: Sequence[KeyframeView], truths: Sequence[GroundTruth | None],
                  scale: float, class_count: int) -> dict[str, float]:
    """Scores of keyframes against the truth of their frames, where there is truth.

    ``scale`` multiplies every estimated depth: the one global scale of the trajectory's
    alignment, never a scale per image.

    * ``depth_within_10``: fraction of pixels with known depth that are within 10 % of it,
      mean over keyframes.
    * ``abs_rel``: mean of |depth - truth| / truth, mean over keyframes.
    * ``miou``: mean intersection over union of the classes that occur, all keyframes pooled;
      pixels without a label of either kind are left out.

    Keys whose truth is unknown for every keyframe are absent.
    """
    depth_scores, confusion, labelled = [], Confusion(class_count), False
    for view, truth in zip(keyframes, truths, strict=True):
        if truth is not None and truth.depth is not None:
            score = keyframe_depth_scores(view.depth * scale, truth.depth.cpu().numpy())
            if score is not None:
                depth_scores.append(score)
        if truth is not None and truth.labels is not None:
            said = torch.from_numpy(view.labels)
            true = torch.where(said == VOID, VOID, truth.labels.cpu())
            labelled |= bool((true != VOID).any())
            confusion.add(said, true)
    scores = {}
    if depth_scores:
        within, relative = np.mean(depth_scores, 0)
        scores.update(depth_within_10=float(within), abs_rel=float(relative))
    if labelled:
        scores["miou"] = confusion.scores()["miou"]
    return scores


def keyframe_depth_scores(depth: np.ndarray, truth: np.ndarray) -> tuple[float, float] | None:
    """``depth_within_10`` and ``abs_rel`` of one depth map (H, W) in metres, where ``truth``
    is above 0; None when it nowhere is."""
    known = truth > 0
    if not known.any():
        return None
    error = np.abs(depth[known].astype(np.float64) - truth[known]) / truth[known]
    return float((error <= RIGHT_WITHIN).mean()), float(error.mean())


EXAMPLES = """example:
  scenecode evaluate trajectory groundtruth.txt result --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode evaluate trajectory``."""
    parser.add_argument("gt", metavar="GT",
                        help="ground truth: TUM file, 7-Scenes folder or TUM RGB-D folder")
    parser.add_argument("est", metavar="EST",
                        help="estimate: TUM file, or the result folder of a run")
    parser.add_argument("--max-difference", type=float, default=MAX_DIFFERENCE, metavar="SECONDS",
                        help="poses further apart in time do not match (default %(default)s)")
    parser.add_argument("--fps", type=float, default=DEFAULT_FPS,
                        help="stamps of a 7-Scenes folder are frame number / FPS "
                             "(default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Run ``scenecode evaluate trajectory``; returns the exit status."""
    scores = evaluate_trajectory(args.gt, args.est, args.max_difference, args.fps)
    if args.json:
        print(json.dumps(scores))
        return 0
    table = Table(title=f"{args.est} against {args.gt}", show_header=False)
    for key, (title, unit, factor, decimals) in _ROWS.items():
        table.add_row(key, f"{scores[key] * factor:.{decimals}f} {unit}", title)
    Console().print(table)
    return 0


def _ground_truth(gt: str | Path | Trajectory, fps: float) -> Trajectory:
    if isinstance(gt, Trajectory):
        return gt
    path = Path(gt)
    if not path.is_dir():
        return read_tum(path)
    if is_tum(path) and has_truth(path):
        return read_image_poses(path)
    if is_posed(path):
        return read_line_poses(path, fps)
    if is_seven_scenes(path):
        return read_poses(path, fps)
    raise ResultError(f"{path}: no ground truth in this folder; give a TUM trajectory file, a "
                      "7-Scenes folder with .pose.txt files, a TUM RGB-D folder with "
                      "groundtruth.txt, or a folder with color/ and pose.txt")


def _estimate(est: str | Path | Trajectory) -> Trajectory:
    if isinstance(est, Trajectory):
        return est
    path = Path(est)
    return read_tum(path / "trajectory.txt" if path.is_dir() else path)
