"""A map that is continued on another day, and one that a camera only looks itself up in."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.walks import Playback, small_config, walk

from scenecode.core.errors import ResultError
from scenecode.slam.evaluation.evaluate import evaluate_trajectory
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile.map_file import load_map
from scenecode.slam.mapfile.recoding import recode
from scenecode.slam.mapfile.storage.reading import load
from scenecode.slam.output.saved_map import open_saved
from scenecode.slam.output.sink import NoOutput
from scenecode.slam.system import System

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def frames():
    return walk(7, 90, 128, 96)


@pytest.fixture(scope="module")
def predictor(frames):
    return ExactPredictor(frames, depth_error=0.01)


def renumbered(frames):
    """As another recording, that begins at frame 0 and time 0."""
    return [replace(frame, index=n, timestamp=n / 30) for n, frame in enumerate(frames)]


def run(frames, predictor, path, adjusted=False, **options):
    system = System(small_config(adjusted), predictor, map_file=path, **options)
    system.run(Playback(renumbered(frames)))
    return system


@pytest.fixture(scope="module")
def first_day(frames, predictor, tmp_path_factory):
    path = tmp_path_factory.mktemp("maps") / "room.map"
    system = run(frames[:60], predictor, path, adjusted=True)
    return path, system


@pytest.fixture
def path(first_day, tmp_path):
    """A copy that a test may change."""
    copy = tmp_path / "room.map"
    copy.write_bytes(first_day[0].read_bytes())
    return copy


def true_pose(frame):
    return frame.truth.T_world_cam.numpy()


def test_map_is_continued_in_one_world_frame(first_day, path, frames, predictor):
    before = load(path)
    second = run(frames[40:], predictor, path, adjusted=True)
    assert second.recording.relocalised_at is not None and second.recording.relocalised_at < 10
    stored = load(path)
    assert stored.keyframes.keys() >= before.keyframes.keys() - stored.redirects.keys()
    assert len(stored.sessions) == 2 and len(stored.components) == 1
    # all poses of both days against the truth, in the world frame of the first
    origin = np.linalg.inv(true_pose(frames[0]))
    final = second.recording.final(second.graph)
    index = np.round(final.timestamps * 30).astype(int)
    true = np.stack([origin @ true_pose(frames[40 + i]) for i in index])
    assert np.linalg.norm(final.positions - true[:, :3, 3], axis=1).max() < 0.1


def test_camera_that_starts_elsewhere_maps_beside_the_map_until_both_are_joined(tmp_path):
    frames = walk(7, 170, 128, 96)
    predictor, path = ExactPredictor(frames, depth_error=0.01), tmp_path / "room.map"
    run(frames[:40], predictor, path)
    origin = np.linalg.inv(true_pose(frames[0]))
    back = frames[:20:-1]
    second = run(back, predictor, path)
    stored = load(path)
    assert second.recording.relocalised_at > 60
    assert len(stored.components) == 1 and len(stored.sessions) == 2
    # frames from before the two were joined are in the world frame of the first day, too
    final = second.recording.final(second.graph)
    index = np.round(final.timestamps * 30).astype(int)
    assert index.min() < 60 and len(index) > 100
    true = np.stack([origin @ true_pose(back[i]) for i in index])
    assert np.linalg.norm(final.positions - true[:, :3, 3], axis=1).max() < 0.1


def test_results_name_the_frames_of_the_present_run(first_day, path, frames, predictor, tmp_path):
    """Earlier ones are numbered and stamped before them.  The map may lie in the result."""
    (tmp_path / "out").mkdir()
    second = run(frames[40:], predictor, path.rename(tmp_path / "out" / "room.map"),
                 out=tmp_path / "out")
    indices = [view.frame_index for view in second.snapshot.keyframes]
    stamps = [view.timestamp for view in second.snapshot.keyframes]
    assert min(indices) < 0 <= max(indices) and len(set(indices)) == len(indices)
    assert all((index < 0) == (stamp < 0) for index, stamp in zip(indices, stamps))
    folders = {p.name for p in (tmp_path / "out" / "keyframes").iterdir()}
    assert len(folders) == len(indices)


def test_localising_answers_where_the_camera_is_and_changes_nothing(first_day, path, frames,
                                                                   predictor):
    content, keyframes = path.read_bytes(), len(load(path).keyframes)
    found = run(frames[59:0:-1], predictor, path, localise=True)
    assert path.read_bytes() == content and not list(path.parent.glob("room.map-*"))
    assert len(found.graph) == keyframes
    tracked = found.recording.tracked
    assert (~tracked["lost"]).sum() >= 0.9 * 59
    scores = evaluate_trajectory(found.recording.true_trajectory(),
                                 found.recording.final(found.graph))
    assert scores["ate_m"] < 0.03


def test_camera_that_is_elsewhere_is_not_found(path, predictor, caplog):
    elsewhere = walk(3, 40, 128, 96)
    both = ExactPredictor([*predictor._frames, *elsewhere], depth_error=0.01)
    system = System(small_config(), predictor=both, map_file=path, localise=True,
                    output=NoOutput(both.classes))
    system.run(Playback(renumbered(elsewhere)))
    assert system.recording.relocalised_at is None
    assert not len(system.recording.tracked) and len(system.recording.unusable) == 40
    assert "room.map was not found; no pose is known" in caplog.text


def test_map_of_another_network_is_refused_and_stays(first_day, path, frames):
    class Other(ExactPredictor):
        pass

    content = path.read_bytes()
    with pytest.raises(ResultError, match="made with the predictor ExactPredictor of a program"):
        open_saved(path)
    with pytest.raises(ResultError, match="network"):
        run(frames[:3], Other(frames), path)
    with pytest.raises(ResultError, match="network"):
        run(frames[:3], Other(frames), path, localise=True)
    assert path.read_bytes() == content


def test_map_of_another_network_is_recoded(first_day, path, frames):
    """Poses and depth stay, codes are those of the new network, and the map is continued."""
    class Other(ExactPredictor):
        pass

    other, before = Other(frames, depth_error=0.01, code_size=16, seed=5), load(path)
    second = run(frames[40:], other, path, recode=True)
    assert second.recording.relocalised_at is not None and second.recording.relocalised_at < 10
    stored = load(path)
    assert stored.meta.fingerprint != before.meta.fingerprint
    assert stored.meta.created == before.meta.created
    assert {len(state.code_depth) for state in stored.states.values()} == {16}
    assert len(stored.components) == 1


def test_recoded_keyframes_keep_their_depth(first_day, path, frames, predictor):
    other, meta = ExactPredictor(frames, depth_error=0.01, code_size=16, seed=5), load(path).meta
    recode(path, replace(meta, model="other", fingerprint="1" * 64), WorkingMemory(other))
    before, after = (load_map(p, WorkingMemory(used)).graph for p, used in (
        (first_day[0], predictor), (path, other)))
    assert before.keyframes.keys() == after.keyframes.keys() and before.links == after.links
    assert after.prior is None and not after.absorbed_observations
    for number in before.keyframes:
        assert torch.equal(before.states[number].T_world_cam, after.states[number].T_world_cam)
        assert torch.equal(before.landmarks[number].log_depth, after.landmarks[number].log_depth)
        old, new = (graph.keyframes[number].depth(graph.states[number].code_depth)
                    for graph in (before, after))
        assert float((new / old).log().abs().median()) < 0.02
        # with no code, this network's depth is further off
        zero = after.keyframes[number].depth(torch.zeros(16))
        assert float((new / old).log().square().mean()) < float(
            (zero / old).log().square().mean())


def test_localising_needs_a_map(frames, predictor, tmp_path):
    with pytest.raises(ResultError, match="no such map file"):
        run(frames[:3], predictor, tmp_path / "none.map", localise=True)


def test_second_writer_is_refused(path, frames, predictor):
    first = System(small_config(), predictor, map_file=path)
    with pytest.raises(ResultError, match="another run"):
        System(small_config(), predictor, map_file=path)
    first.close()
    # what is refused leaves the map to others
    with pytest.raises(ResultError, match="give another --out"):
        System(small_config(), predictor, map_file=path, out=path)
    assert [entry.name for entry in path.parent.iterdir()] == ["room.map"]
    System(small_config(), predictor, map_file=path).close()
