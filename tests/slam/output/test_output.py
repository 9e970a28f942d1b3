"""What leaves the system: snapshots, live views, files and the report."""

import json
import time
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.walks import Playback, small_config

from scenecode.networks.classes import NYU13, VOID
from scenecode.slam.evaluation.report import make_report
from scenecode.slam.evaluation.scores import evaluate_maps, trajectory_errors
from scenecode.slam.fusion.map_fusion import Fusion
from scenecode.slam.map.graph import KeyframeGraph, Loop
from scenecode.slam.output import output as output_module
from scenecode.slam.output.live_view import live_view
from scenecode.slam.output.output import Output
from scenecode.slam.output.result_folder import ResultFolder, load_result
from scenecode.slam.output.sink import NoOutput
from scenecode.slam.output.time_budget import TimeBudget
from scenecode.slam.runtime.mailbox import Mailbox
from scenecode.slam.system import System
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.timings import Timings


class Recorded(NoOutput):
    """Keeps the map updates."""

    def __init__(self, classes):
        super().__init__(classes)
        self.updates = []

    def on_map(self, update):
        self.updates.append(update)


@pytest.fixture(scope="module")
def updates(small_walk):
    """A short run: its map updates, the last of which follows the adjustment at the end, and
    (frame, tracked) of every frame."""
    predictor, frames = ExactPredictor(small_walk), []
    output = Recorded(predictor.classes)
    System(small_config(), predictor, output=output,
           on_frame=lambda *pair: frames.append(pair)).run(Playback(small_walk[:25]))
    return output.updates, frames


def make_output(folder=None, mailbox=None, **more):
    return Output(small_config().fusion, NYU13, folder, mailbox, **more)


def test_every_update_reaches_the_viewer_and_the_folder(updates, small_walk, tmp_path):
    mailbox, versions = Mailbox(), []
    output = make_output(ResultFolder.create(tmp_path, NYU13, ""), mailbox)
    for update in updates[0]:
        output.on_map(update)
        shown = mailbox.get(0)
        keyframes = len(update.graph)
        versions.append(shown.version)
        assert len(shown.keyframes) == keyframes
        assert len(list((tmp_path / "keyframes").iterdir())) == keyframes
        assert len(load_result(tmp_path).keyframes) == keyframes
        assert json.loads((tmp_path / "report.json").read_text())["keyframes"] == keyframes
    assert versions == sorted(set(versions)) and len(shown.cloud) > 500
    output.finish()
    assert len(mailbox.get(0).trajectory) == 25


def test_at_the_end_everything_is_written(updates, tmp_path):
    output = make_output(ResultFolder.create(tmp_path, NYU13, ""), deferring=True)
    for update in updates[0]:
        output.on_map(update)
    output.finish()
    graph, loaded = updates[0][-1].graph, load_result(tmp_path)
    plain = Fusion(small_config().fusion)
    plain.update(graph)
    assert len(loaded.trajectory) == 25
    # cells keep the size that they had when the map was smaller
    assert len(loaded.cloud) == pytest.approx(len(plain.cloud), rel=0.05)
    for view, expected in zip(loaded.keyframes, plain.keyframe_views().values(), strict=True):
        assert np.abs(view.depth - expected.depth).max() < 0.00051
        assert np.array_equal(view.labels, expected.labels)
    assert (tmp_path / "overview.png").is_file()


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless it is set."""
    now = [1000.0]
    monkeypatch.setattr(output_module, "TimeBudget", lambda share: TimeBudget(
        share, lambda: now[0]))
    return now


def test_a_new_keyframe_comes_first_and_the_rest_when_there_is_time(updates, tmp_path, clock):
    """Its images and its pose are on disk and its points on the screen, while another keyframe
    and the big files still wait."""
    output = make_output(ResultFolder.create(tmp_path, NYU13, ""), deferring=True)
    first, *_, last, _ = updates[0]
    output.on_map(first)
    while output.work() is not None:
        pass
    old_map = (tmp_path / "map.ply").read_bytes()
    earlier = output.snapshot.keyframes[0]
    output.on_map(last)
    shown = output.snapshot
    assert len(shown.keyframes) == len(last.graph) > 1
    assert len(load_result(tmp_path).keyframes) == len(last.graph)
    # the first keyframe has another pose and neighbours now, but is shown as it was fused
    assert shown.keyframes[0].maps is earlier.maps
    assert (tmp_path / "map.ply").read_bytes() == old_map
    while output.work() is not None:
        pass
    assert output.snapshot.version > shown.version
    assert output.snapshot.keyframes[0].maps is not earlier.maps
    assert len(load_result(tmp_path).cloud) == len(output.snapshot.cloud)


def test_without_anything_new_there_is_nothing_to_do(updates, tmp_path, clock):
    output = make_output(ResultFolder.create(tmp_path, NYU13, ""), deferring=True)
    assert output.work() is None
    output.on_map(updates[0][-1])
    while output.work() is not None:
        pass
    version = output.snapshot.version
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert output.work() is None and output.snapshot.version == version
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")
                     if path.is_file()}


def test_work_waits_for_its_share_of_the_time(updates, clock):
    output = make_output(deferring=True)
    output.on_map(updates[0][0])
    output.on_map(updates[0][-1])
    output._fusion_budget._next = output._file_budget._next = clock[0] + 3
    assert output.work() == pytest.approx(3)
    before = output.snapshot.version
    clock[0] += 4
    while output.work() is not None:
        pass
    assert output.snapshot.version > before


def test_the_map_file_is_committed_with_every_update(updates):
    class Writer:
        committed = []

        def commit(self, update):
            self.committed.append(update.version)

    output = make_output(map_writer=Writer())
    for update in updates[0]:
        output.on_map(update)
    output.finish()
    assert set(Writer.committed) == {update.version for update in updates[0]}


@pytest.mark.parametrize("period, more", [(1e9, False), (0.0, True)])
def test_frames_are_committed_while_the_map_stays_as_it_is(updates, monkeypatch, period, more):
    class Writer:
        commits = 0

        def commit(self, update):
            self.commits += 1

    monkeypatch.setattr(output_module, "FRAMES_PERIOD", period)
    writer = Writer()
    output = make_output(map_writer=writer, deferring=True)
    output.on_map(updates[0][-1])
    output.work()
    assert (writer.commits > 1) == more


def test_the_time_from_a_request_to_the_files_is_measured(updates):
    output = make_output()
    update = replace(updates[0][-1], timings=Timings(),
                     answered=(time.monotonic() - 5.0, time.monotonic() - 2.0))
    output.on_map(update)
    lag = update.timings.output_lag
    assert len(lag) == 2 and 5.0 < lag.max < 60
    output.on_map(replace(update, answered=()))
    assert len(lag) == 2
    assert output.report["output_lag_ms"]["max"] == pytest.approx(1000 * lag.max)


def test_loops_are_counted_in_the_report(updates, small_walk, tmp_path):
    """A published graph keeps every field of the one that is being built."""
    output = make_output(ResultFolder.create(tmp_path, NYU13, ""))
    update = updates[0][-1]
    graph = replace(update.graph, prior=None, absorbed_links={(0, 1)}, loops=[
        Loop(older=0, newer=len(update.graph) - 1, T_older_newer=torch.eye(4), log_scale=0.0,
             num_landmarks=50)])
    frozen = graph.frozen()
    for field in fields(graph):
        assert getattr(frozen, field.name) == getattr(graph, field.name), field.name
    output.on_map(replace(update, graph=frozen))
    assert json.loads((tmp_path / "report.json").read_text())["loops"] == 1
    graph.loops.clear()
    assert len(frozen.loops) == 1


def test_errors_are_those_of_the_whole_run_at_the_end(updates, tmp_path):
    output = make_output(ResultFolder.create(tmp_path, NYU13, ""))
    for update in updates[0]:
        output.on_map(update)
    output.finish()
    last, views = updates[0][-1], output.snapshot.keyframes
    errors = trajectory_errors(last.recording.true_trajectory(),
                               last.recording.final(last.graph))
    truths = [last.recording.truth_of(keyframe) for keyframe in last.graph.keyframes.values()]
    expected = evaluate_maps(views, truths, errors["scale"], len(NYU13))
    expected["ate_m"] = errors["ate_m"]
    written = json.loads((tmp_path / "report.json").read_text())
    for name, value in expected.items():
        assert output.report[name] == written[name] == pytest.approx(value, rel=1e-9)


def test_live_picture_is_refreshed_now_and_then(updates, small_walk, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(output_module.time, "monotonic", lambda: clock[0])
    mailbox = Mailbox()
    output = make_output(mailbox=mailbox)
    output.on_map(updates[0][-1])
    mailbox.get(0)
    shown = []
    for frame, tracked in updates[1][:10]:
        output.on_frame(frame, tracked)
        snapshot = mailbox.get(0)
        shown.append(snapshot is not None)
        clock[0] += 0.4 * output_module.LIVE_PERIOD
    assert shown == [True, False, False, True, False, False, True, False, False, True]
    assert snapshot.live.frame_index == 9
    # the map stays with the picture, and the picture with a new map
    assert len(snapshot.keyframes) == len(updates[0][-1].graph)
    output.on_map(updates[0][-1])
    assert mailbox.get(0).live.frame_index == 9


def test_live_view_shows_the_depth_and_labels_of_the_map(updates, small_walk):
    output = make_output()
    output.on_map(updates[0][-2])
    frame, tracked = updates[1][-1]
    live = live_view(frame, tracked, output.snapshot.keyframes[tracked.keyframe])
    known = live.depth > 0
    assert known.mean() > 0.6 and ((live.labels == VOID) == ~known).all()
    ratio = live.depth[known] / frame.truth.depth.numpy()[known]
    assert (np.abs(ratio / np.median(ratio) - 1) < 0.1).mean() > 0.85
    true = frame.truth.labels.numpy()[known]
    assert (live.labels[known] == true)[true != VOID].mean() > 0.8
    assert live.image.shape == (96, 128, 3) and not live.lost
    assert np.abs(live.image / 255 - frame.image.permute(1, 2, 0).numpy()).max() < 0.003


def test_live_view_of_a_lost_camera_without_a_map(small_walk, updates):
    frame, tracked = updates[1][3]
    live = live_view(frame, replace(tracked, lost=True), None)
    assert live.lost and not live.depth.any() and (live.labels == VOID).all()


def test_report_counts_frames_that_were_not_tracked(updates):
    update = updates[0][-1]
    recording = replace(update.recording, unusable=[3, 9], unreadable=3)
    report = make_report(recording, update.timings, update.graph, {}, 0.0)
    assert report["frames"] == 30 and report["tracked"] == 25
    assert report["coverage"] == pytest.approx(25 / 30)
    assert report["unusable"] == [3, 9] and report["unreadable"] == 3


def test_speed_in_the_report():
    timings = Timings()
    for statistics, durations in ((timings.tracking, (0.01, 0.03)), (timings.iteration, (0.05,)),
                                  (timings.keyframe, (0.2, 0.3, 0.1)),
                                  (timings.lag, (0.5, 0.7, 2.0))):
        for seconds in durations:
            statistics.add(seconds)
    report = make_report(Recording(), timings, KeyframeGraph(), {}, 123_456.0)
    assert report["tracking_fps"] == pytest.approx(50)
    assert report["keyframe_ms"] == pytest.approx(200)
    assert report["window_iteration_ms"] == pytest.approx(50)
    assert report["lag_ms"] == {"median": pytest.approx(700), "p99": pytest.approx(1974),
                                "max": pytest.approx(2000)}
    assert report["mapping_lag_ms"] == pytest.approx(2000) and report["output_lag_ms"] is None
    assert 50 < report["peak_memory_mb"] < 100_000 and report["resident_mb"] == 123_456


def test_report_of_nothing_has_no_times_and_no_errors():
    report = make_report(Recording(), Timings(), KeyframeGraph(), {}, 0.0)
    assert report["coverage"] == 0 and report["tracking_fps"] is None and "ate_m" not in report


def test_report_without_truth_has_no_errors(small_walk):
    frames = [replace(f, truth=None) for f in small_walk[:6]]
    config = small_config()
    system = System(config, ExactPredictor(small_walk))
    system.run(Playback(frames))
    assert system.report["tracked"] == 6
    assert not system.report.keys() & {"ate_m", "depth_within_10", "miou"}


def test_views_are_not_tied_to_the_running_system(updates, small_walk):
    output = make_output()
    output.on_map(updates[0][0])
    view = output.snapshot.keyframes[0]
    before = view.depth.copy()
    update = updates[0][0]
    update.graph.states[0] = replace(update.graph.states[0], code_depth=torch.ones(32))
    output.on_map(update)
    assert np.array_equal(view.depth, before)
    assert not np.array_equal(output.snapshot.keyframes[0].depth, before)


def test_the_resting_keyframes_of_a_continued_map_wait_for_the_new_one(updates, clock):
    update = updates[0][-1]
    graph = update.graph.frozen()
    graph.active[:] = [graph.newest]
    output = make_output(deferring=True)
    output.on_map(replace(update, graph=graph))
    newest = graph.keyframes[graph.newest].frame_index
    assert [view.frame_index for view in output.snapshot.keyframes] == [newest]
    while output.work() is not None:
        pass
    assert len(output.snapshot.keyframes) == len(graph) > 1
