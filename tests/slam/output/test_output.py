"""What leaves the system: snapshots, live views, files and the report."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.walks import Playback, small_config

from scenecode.networks.classes import NYU13, VOID
from scenecode.slam.evaluation.report import make_report, truth_scores
from scenecode.slam.map.graph import KeyframeGraph, Loop
from scenecode.slam.output import output as output_module
from scenecode.slam.output.live_view import live_view
from scenecode.slam.output.output import Output
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.output.sink import NoOutput
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
    """A short run: its map updates, and (frame, tracked) of every frame."""
    predictor, frames = ExactPredictor(small_walk), []
    output = Recorded(predictor.classes)
    System(small_config(), predictor, output=output,
           on_frame=lambda *pair: frames.append(pair)).run(Playback(small_walk[:25]))
    return output.updates, frames


def make_output(folder=None, mailbox=None):
    return Output(small_config().fusion, NYU13, folder, mailbox)


def test_every_update_reaches_the_viewer_and_the_folder(updates, small_walk, tmp_path):
    mailbox = Mailbox()
    output = make_output(ResultFolder.create(tmp_path, NYU13, ""), mailbox)
    for update in updates[0]:
        output.on_map(update)
        shown = mailbox.get(0)
        keyframes = len(update.graph)
        assert shown.version == update.version and len(shown.keyframes) == keyframes
        assert len(list((tmp_path / "keyframes").iterdir())) == keyframes
        assert json.loads((tmp_path / "report.json").read_text())["keyframes"] == keyframes
    assert len(shown.trajectory) == 25 and len(shown.cloud.points) > 500


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


def test_errors_are_computed_as_the_map_grows_and_of_the_whole_run_at_the_end(
        updates, tmp_path, monkeypatch):
    scored = []

    def counted(recording, keyframes, graph):
        scored.append(len(keyframes))
        return truth_scores(recording, keyframes, graph)

    monkeypatch.setattr(output_module, "truth_scores", counted)
    output = make_output(ResultFolder.create(tmp_path, NYU13, ""))
    for update in updates[0]:
        for _ in range(3):  # a map that changes but does not grow
            output.on_map(update)
            assert "ate_m" in output.report and "miou" in output.report
    last = updates[0][-1]
    keyframes = sorted({len(update.graph) for update in updates[0]})
    assert scored == keyframes
    output.finish()
    assert scored == [*keyframes, len(last.graph)]
    expected = truth_scores(last.recording, output.snapshot.keyframes, last.graph)
    assert expected.items() <= output.report.items()
    assert expected.items() <= json.loads((tmp_path / "report.json").read_text()).items()


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
    output.on_map(updates[0][-1])
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
    report = make_report(recording, update.timings, update.graph, {})
    assert report["frames"] == 30 and report["tracked"] == 25
    assert report["coverage"] == pytest.approx(25 / 30)
    assert report["unusable"] == [3, 9] and report["unreadable"] == 3


def test_speed_in_the_report():
    timings = Timings(tracking=[0.01, 0.03], keyframe=[0.2, 0.3, 0.1], iteration=[0.05])
    report = make_report(Recording(), timings, KeyframeGraph(), {})
    assert report["tracking_fps"] == pytest.approx(50)
    assert report["keyframe_ms"] == pytest.approx(200)
    assert report["window_iteration_ms"] == pytest.approx(50)
    assert 50 < report["peak_memory_mb"] < 100_000


def test_report_of_nothing_has_no_times_and_no_errors():
    report = make_report(Recording(), Timings(), KeyframeGraph(), {})
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
