"""A plot of camera paths against the truth, from above."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from scenecode.core.errors import ResultError
from scenecode.slam.records.trajectory import (
    MAX_DIFFERENCE,
    MIN_MATCHES,
    Trajectory,
    align,
    associate,
)

#: Inches and dots per inch of the picture.
_SIZE, _DPI = (6.0, 5.0), 110


def plot_trajectories(path: Path, title: str, paths: dict[str, Trajectory]) -> None:
    """Draw ``paths``, each aligned by Sim(3) to the one called ``truth``, seen from above.

    A path with too few matching poses is named in the legend as lost.
    """
    truth = paths["truth"]
    right, ahead = ground_axes(truth)
    # a figure of its own, without the state of pyplot
    figure = Figure(figsize=_SIZE, dpi=_DPI)
    axes = figure.add_subplot()
    axes.plot(truth.positions @ right, truth.positions @ ahead, "k--", linewidth=1, label="truth")
    for name, estimate in paths.items():
        if name == "truth":
            continue
        try:
            seen = aligned_positions(truth, estimate)
        except ResultError:
            axes.plot([], [], label=f"{name} (lost)")
            continue
        axes.plot(seen @ right, seen @ ahead, linewidth=1.2, label=name)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("metres to the right")
    axes.set_ylabel("metres ahead")
    axes.set_title(title)
    axes.legend()
    with matplotlib.rc_context({"savefig.bbox": "tight"}):
        figure.savefig(path)


def aligned_positions(truth: Trajectory, estimate: Trajectory) -> np.ndarray:
    """(N, 3) positions of an estimate in the frame of the truth; raises ``ResultError`` when
    too few poses match to align them."""
    i, j = associate(truth, estimate, MAX_DIFFERENCE)
    if len(i) < MIN_MATCHES:
        raise ResultError(f"only {len(i)} poses match the truth, {MIN_MATCHES} are needed")
    return align(truth.positions[i], estimate.positions[j]).apply(estimate.positions)


def ground_axes(truth: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (3,) to the right and ahead on the ground, by how the camera is held on
    average, which a hand does upright."""
    down = truth.rotations[:, :, 1].mean(0)
    down /= max(np.linalg.norm(down), 1e-9)
    ahead = truth.rotations[0, :, 2]
    ahead = ahead - down * (ahead @ down)
    if np.linalg.norm(ahead) < 1e-3:
        # looking straight down: any direction will do
        ahead = truth.rotations[0, :, 0] - down * (truth.rotations[0, :, 0] @ down)
    ahead /= np.linalg.norm(ahead)
    return np.cross(down, ahead), ahead
