"""A run keeps its map in a file: what was written comes back as the same map."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.stored_maps import META, difference
from support.walks import SMALL, Playback, small_config, walk

from scenecode.core.errors import ResultError
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile import conversion
from scenecode.slam.mapfile.fingerprint import map_meta, predictor_fingerprint
from scenecode.slam.mapfile.map_file import MapFile, load_map, open_or_create
from scenecode.slam.mapfile.storage.reading import check, load
from scenecode.slam.mapping.map_update import MapUpdate
from scenecode.slam.output.sink import NoOutput
from scenecode.slam.system import System
from scenecode.slam.tracking.recording import Recording

pytestmark = pytest.mark.slow

SMALL_META = replace(META, width=SMALL[0], height=SMALL[1])


class Kept(NoOutput):
    """Writes every map update into a file and remembers what it read back."""

    def __init__(self, file, classes):
        super().__init__(classes)
        self.file, self.updates, self.sizes = file, [], []

    def on_map(self, update):
        self.file.commit(update)
        self.updates.append(update)
        self.sizes.append(len(load(self.file.path).keyframes))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    frames = walk(1, 60, *SMALL)
    predictor = ExactPredictor(frames)
    path = tmp_path_factory.mktemp("live") / "room.map"
    sink = Kept(MapFile.create(path, SMALL_META, "rooms:1"), predictor.classes)
    config = small_config()
    # so that keyframes come to rest and leave a prior
    config = replace(config, mapping=replace(config.mapping, window=2))
    System(config, predictor, output=sink).run(Playback(frames))
    sink.file.close()
    return path, sink, predictor


def test_every_update_is_in_the_file_when_it_was_written(run):
    path, sink, _ = run
    assert sink.sizes == [len(update.graph) for update in sink.updates]
    assert len(sink.sizes) > 3 and [p.name for p in path.parent.iterdir()] == ["room.map"]


def test_the_file_holds_the_map_as_it_is_in_memory(run):
    path, sink, _ = run
    update = sink.updates[-1]
    stored = check(path)
    expected = conversion.from_graph(update.graph, stored.meta, stored.sessions, lambda n: 0,
                                     {0: update.recording.tracked})
    assert stored.num_frames == 60 and stored.landmarks and stored.observations
    assert stored.prior is not None
    assert difference(expected.states, stored.states) == 0
    assert difference(expected.frames, stored.frames) < 1e-6
    assert difference(expected, stored) < 0.01


def test_a_loaded_map_gives_the_same_depth_labels_and_trajectory(run):
    path, sink, predictor = run
    graph = sink.updates[-1].graph
    loaded = load_map(path, WorkingMemory(predictor))
    assert list(loaded.graph.keyframes) == list(graph.keyframes)
    assert loaded.graph.active == graph.active and loaded.graph.links == graph.links
    for number, keyframe in graph.keyframes.items():
        state, other = graph.states[number], loaded.graph.states[number]
        again = loaded.graph.keyframes[number]
        assert torch.equal(again.depth(other.code_depth), keyframe.depth(state.code_depth))
        assert torch.equal(again.probabilities(other.code_semantic),
                           keyframe.probabilities(state.code_semantic))
    final = sink.updates[-1].recording.final(graph)
    recording = Recording.of(loaded.frames[0])
    assert np.allclose(recording.final(loaded.graph).T_world_cam, final.T_world_cam, atol=1e-5)


def test_what_is_known_of_resting_keyframes_needs_no_network(run):
    path, sink, predictor = run
    graph = sink.updates[-1].graph
    loaded = load_map(path, WorkingMemory(None)).graph
    assert graph.resting
    for number in graph.resting:
        known, original = loaded.known_geometry(number), graph.known_geometry(number)
        assert np.allclose(known.grid, original.grid, rtol=2e-3)
        assert np.isclose(known.median_depth, original.median_depth, rtol=2e-3)


def test_an_unchanged_map_writes_nothing(run, tmp_path):
    path, sink, predictor = run
    copy = tmp_path / "copy.map"
    copy.write_bytes(path.read_bytes())
    file, loaded = MapFile.open(copy, WorkingMemory(predictor), "again")
    assert file.session == 1
    before = os.path.getsize(f"{copy}-wal")
    update = MapUpdate(version=1, graph=loaded.graph.frozen(),
                       recording=Recording(),
                       timings=sink.updates[-1].timings)
    file.commit(update)
    assert os.path.getsize(f"{copy}-wal") == before
    with pytest.raises(ResultError, match="keyframe 0 of an earlier run is not in the map"):
        file.commit(MapUpdate(**{**vars(update), "graph": KeyframeGraph()}))
    file.close()
    stored = load(copy)
    assert len(stored.sessions) == 2 and stored.sessions[1].source == "again"
    assert difference(stored.keyframes, load(path).keyframes) == 0


def test_a_file_is_made_once_and_continued_by_the_same_network_only(run, tmp_path):
    predictor = run[2]
    meta = map_meta(small_config(), predictor, predictor_fingerprint(predictor))
    path, memory = tmp_path / "room.map", WorkingMemory(predictor)
    file, loaded = open_or_create(path, meta, memory, "first")
    assert loaded is None
    file.close()
    before = path.read_bytes()
    with pytest.raises(ResultError, match="was made with the network 'default'"):
        open_or_create(path, replace(meta, fingerprint="1" * 64, model="x"), memory, "second")
    assert path.read_bytes() == before
    file, loaded = open_or_create(path, meta, memory, "second")
    assert len(loaded.graph) == 0 and loaded.meta == meta
    file.close()
    assert [s.source for s in load(path).sessions.values()] == ["first", "second"]


def test_frames_are_kept_before_the_keyframe_that_they_were_tracked_against(run, tmp_path):
    """Mapping may still be at work on it."""
    _, sink, predictor = run
    early, last = sink.updates[0], sink.updates[-1]
    rows = last.recording.tracked
    assert (rows["keyframe"] >= early.graph.next_number).any()
    path = tmp_path / "room.map"
    file = MapFile.create(path, SMALL_META, "rooms:1")
    file.commit(replace(early, recording=last.recording))
    stored = load(path)
    loaded = load_map(path, WorkingMemory(predictor))
    final = Recording.of(loaded.frames[0]).final(loaded.graph)
    live = last.recording.live()
    assert stored.num_frames == 60 and not stored.frames[0].lost.any()
    ahead = rows["keyframe"] >= early.graph.next_number
    assert np.allclose(final.T_world_cam[ahead], live.T_world_cam[ahead], atol=1e-5)
    file.commit(last)
    file.close()
    again = load_map(path, WorkingMemory(predictor))
    assert np.array_equal(again.frames[0]["keyframe"], rows["keyframe"])


def test_a_map_that_is_begun_anew_replaces_the_frames_of_the_one_before(run, tmp_path):
    _, sink, predictor = run
    path = tmp_path / "room.map"
    file = MapFile.create(path, SMALL_META, "rooms:1")
    last = sink.updates[-1]
    file.commit(last)
    file.commit(replace(last, recording=Recording.of(last.recording.tracked[20:])))
    file.close()
    assert load(path).frames[0].index[0] == 20 and load(path).num_frames == 40
