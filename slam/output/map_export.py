"""A saved map as a result folder."""

from scenecode.slam.output.overview import overview
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.output.saved_map import SavedMap


def write_result(saved: SavedMap, folder: ResultFolder) -> None:
    """Write a map as the run itself would have written it."""
    folder.write_map(saved.snapshot)
    folder.write_trajectories(saved.trajectory, saved.trajectory_live)
    folder.write_report(saved.report)
    if saved.keyframes:
        folder.write_overview(overview(saved.snapshot))
