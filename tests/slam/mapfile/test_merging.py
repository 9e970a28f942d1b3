"""Two maps of one room, made by two runs, become one."""

from dataclasses import replace

import numpy as np
import pytest
from support.exact import ExactPredictor
from support.stored_maps import META
from support.walks import SMALL, Playback, small_config, walk

from scenecode.core.errors import ResultError
from scenecode.slam.evaluation.scores import trajectory_errors
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile.map_file import MapFile, live_map
from scenecode.slam.mapfile.merging import merge
from scenecode.slam.mapfile.storage.reading import check
from scenecode.slam.mapfile.storage.writing import write_map
from scenecode.slam.output.sink import NoOutput
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.system import System
from scenecode.slam.tracking.recording import Recording


class Kept(NoOutput):
    def __init__(self, file, classes):
        super().__init__(classes)
        self.file = file

    def on_map(self, update):
        self.file.commit(update)


def mapped(path, frames):
    """The map of some frames, made by a run of its own."""
    predictor = ExactPredictor(frames)
    meta = replace(META, width=SMALL[0], height=SMALL[1])
    file = MapFile.create(path, meta, path.name)
    config = small_config()
    config = replace(config, keyframes=replace(config.keyframes, max_translation=0.05))
    System(config, predictor, output=Kept(file, predictor.classes)).run(Playback(frames))
    file.close()
    return check(path)


@pytest.fixture(scope="module")
def halves(tmp_path_factory, small_walk):
    folder = tmp_path_factory.mktemp("halves")
    return (mapped(folder / "a.map", small_walk[:42]), mapped(folder / "b.map", small_walk[18:]))


@pytest.mark.slow
def test_maps_that_overlap_become_one(halves, small_walk, tmp_path):
    first, second = halves
    memory = WorkingMemory(ExactPredictor(small_walk))
    merged = merge(first, second, ("a.map", "b.map"), memory, small_config())
    write_map(tmp_path / "both.map", merged)
    stored = check(tmp_path / "both.map")
    assert len(stored.keyframes) == len(first.keyframes) + len(second.keyframes)
    assert stored.components == (0,) and len(stored.loops) >= 1 and stored.num_frames == 84
    # all frames of both in one world frame, at one scale
    loaded = live_map(stored, memory)
    found = np.concatenate([Recording.of(rows).final(loaded.graph).T_world_cam
                            for rows in loaded.frames.values()])
    true = np.stack([f.truth.T_world_cam.numpy() for f in (*small_walk[:42], *small_walk[18:])])
    errors = trajectory_errors(Trajectory(np.arange(84), true), Trajectory(np.arange(84), found))
    assert errors["ate_m"] < 0.03 and errors["rotation_deg"] < 1


@pytest.mark.slow
def test_maps_of_different_places_are_refused(halves, tmp_path):
    other = walk(3, 30, *SMALL)
    stored = mapped(tmp_path / "c.map", other)
    memory = WorkingMemory(ExactPredictor(other))
    with pytest.raises(ResultError, match="a.map and c.map cannot be merged: .* agree"):
        merge(halves[0], stored, ("a.map", "c.map"), memory, small_config())
