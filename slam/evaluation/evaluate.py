"""``scenecode evaluate trajectory``: a camera path in files or folders against the true one."""

import argparse
import json
from pathlib import Path

from rich.table import Table

from scenecode.core.console import make_console
from scenecode.slam.evaluation.scores import trajectory_errors
from scenecode.slam.records.trajectory import MAX_DIFFERENCE, Trajectory, read_tum
from scenecode.slam.sources.base.options import DEFAULT_FPS
from scenecode.slam.sources.formats import true_trajectory

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
    """The scores of ``scenecode.slam.evaluation.scores.trajectory_errors``.

    ``gt`` is a TUM file, the folder of a data set with true poses (those at the moments of its
    images; ``fps`` stamps images without stamps), or a trajectory; ``est`` is
    a TUM file, a result folder, or a trajectory.  Coverage counts the poses of ``gt``: a
    motion-capture file much denser than the images gives a low one, its folder does not.
    Raises ``ResultError`` for files that cannot be read or do not match in time.
    """
    return trajectory_errors(_ground_truth(gt, fps), _estimate(est), max_difference)


EXAMPLES = """example:
  scenecode evaluate trajectory groundtruth.txt result --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode evaluate trajectory``."""
    parser.add_argument("gt", metavar="GT",
                        help="ground truth: TUM file, or folder of a data set with true poses")
    parser.add_argument("est", metavar="EST",
                        help="estimate: TUM file, or the result folder of a run")
    parser.add_argument("--max-difference", type=float, default=MAX_DIFFERENCE, metavar="SECONDS",
                        help="poses further apart in time do not match (default %(default)s)")
    parser.add_argument("--fps", type=float, default=DEFAULT_FPS,
                        help="stamps of images without stamps are frame number / FPS "
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
    make_console().print(table)
    return 0


def _ground_truth(gt: str | Path | Trajectory, fps: float) -> Trajectory:
    if isinstance(gt, Trajectory):
        return gt
    return true_trajectory(Path(gt), fps)


def _estimate(est: str | Path | Trajectory) -> Trajectory:
    if isinstance(est, Trajectory):
        return est
    path = Path(est)
    return read_tum(path / "trajectory.txt" if path.is_dir() else path)
