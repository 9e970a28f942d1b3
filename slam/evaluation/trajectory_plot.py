"""A plot of camera paths against the truth, from above."""

from pathlib import Path

import numpy as np

from scenecode.core.atomic_write import replacing
from scenecode.core.errors import ResultError
from scenecode.slam.evaluation.alignment import align, matched_poses
from scenecode.slam.records.ground import ground_axes
from scenecode.slam.records.trajectory import Trajectory

#: Inches and dots per inch of the picture.
_SIZE, _DPI = (6.0, 5.0), 110


def plot_trajectories(path: Path, title: str, paths: dict[str, Trajectory]) -> None:
    """Draw ``paths``, each aligned by Sim(3) to the one called ``truth``, seen from above.

    A path with too few matching poses is named in the legend as lost.
    """
    # only drawing needs it, and importing it takes longer than most commands
    import matplotlib
    from matplotlib.figure import Figure

    truth = paths["truth"]
    right, _, ahead = ground_axes(truth.T_world_cam)
    # a figure of its own, without the state of pyplot
    figure = Figure(figsize=_SIZE, dpi=_DPI)
    axes = figure.add_subplot()
    axes.plot(truth.positions @ right, truth.positions @ ahead, "k--", linewidth=1, label="truth")
    for name, estimate in paths.items():
        if name == "truth":
            continue
        try:
            positions = aligned_positions(truth, estimate)
        except ResultError:
            axes.plot([], [], label=_plain(f"{name} (lost)"))
            continue
        axes.plot(positions @ right, positions @ ahead, linewidth=1.2, label=_plain(name))
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("metres to the right")
    axes.set_ylabel("metres ahead")
    axes.set_title(title, parse_math=False)
    axes.legend()
    with matplotlib.rc_context({"savefig.bbox": "tight"}), replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def aligned_positions(truth: Trajectory, estimate: Trajectory) -> np.ndarray:
    """(N, 3) positions of an estimate in the frame of the truth; raises ``ResultError`` when
    too few poses match to align them."""
    true, ours = matched_poses(truth, estimate)
    return align(true.positions, ours.positions).apply(estimate.positions)


def _plain(label: str) -> str:
    """A legend entry that is shown as it is: no formula, and not left out for its first sign."""
    label = label.replace("$", r"\$")
    return f" {label}" if label.startswith("_") else label
