"""Frames between keyframes are placed at the end of a run."""

import numpy as np
import pytest
from support.exact import ExactPredictor
from support.walks import SMALL, Playback, small_config, walk

from scenecode.slam.evaluation.scores import trajectory_errors
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile.map_file import load_map
from scenecode.slam.system import System

pytestmark = pytest.mark.slow


class Camera(Playback):
    """Frames that cannot be had again."""

    is_live = True


@pytest.fixture(scope="module")
def frames():
    return walk(1, 60, *SMALL)


def run(frames, source=Playback, **options):
    """The system after a run, and how many frames it said that were placed, and of how many."""
    placed = []
    system = System(small_config(adjusted=True), ExactPredictor(frames),
                    on_placed=lambda *n: placed.append(n),
                    **options)
    system.run(source(frames), realtime=False)
    return system, placed


@pytest.fixture(scope="module")
def placed_run(frames):
    """``run`` of all frames."""
    return run(frames)


def errors(system):
    recording = system.recording
    return trajectory_errors(recording.true_trajectory(), recording.final(system.graph))


def test_frames_of_a_recording_are_placed_and_those_of_a_camera_are_not(frames, placed_run):
    recorded, placed = placed_run
    live, none = run(frames, Camera)
    assert placed[-1] == (len(frames), len(frames)) and not none
    assert errors(recorded)["ate_m"] < 0.8 * errors(live)["ate_m"]
    # what was known when a frame came stays
    np.testing.assert_allclose(recorded.recording.live().T_world_cam,
                               live.recording.live().T_world_cam, atol=1e-6)


@pytest.mark.parametrize("threaded", [False, True])
def test_a_map_file_has_the_poses_that_were_placed(frames, tmp_path, threaded):
    frames = frames[:30]
    system, placed = run(frames, map_file=tmp_path / "a.map", threaded=threaded)
    assert placed
    ours = system.recording.tracked
    loaded = load_map(tmp_path / "a.map", WorkingMemory(ExactPredictor(frames), "cpu"))
    rows, = loaded.frames.values()
    np.testing.assert_array_equal(rows["keyframe"], ours["keyframe"])
    np.testing.assert_allclose(rows["T_key_cam"], ours["T_key_cam"], atol=1e-5)


def test_a_run_that_is_stopped_while_frames_are_placed_keeps_all_poses(frames, placed_run):
    system, (whole, _) = None, placed_run

    def stop(done, count):
        if done == 20:
            system.stop.set()

    system = System(small_config(adjusted=True), ExactPredictor(frames), on_placed=stop)
    system.run(Playback(frames))
    final = system.recording.final(system.graph)
    assert len(final) == len(frames)
    np.testing.assert_allclose(final.T_world_cam[:20],
                               whole.recording.final(whole.graph).T_world_cam[:20], atol=1e-4)
