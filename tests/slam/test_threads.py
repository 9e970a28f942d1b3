"""Two threads and an output: nothing is lost, nothing hangs, and failures surface."""

import multiprocessing
import random
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.walks import Playback, small_config

from scenecode.slam.mapping.mapper import Mapper
from scenecode.slam.output.result_folder import load_result
from scenecode.slam.output.sink import NoOutput
from scenecode.slam.records.trajectory import read_tum
from scenecode.slam.system import System
from scenecode.slam.tracking.process import TrackingProcess

#: Seconds after which a run counts as hung; each takes a few.
HUNG = 200


def finish(system, source, realtime=False):
    """Run threaded to the end, in a thread that can be given up; re-raises its exception."""
    outcome = []

    def work():
        try:
            system.run(source, realtime)
            outcome.append(None)
        except Exception as error:  # handed to the test below, whatever it is
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(HUNG)
    assert not thread.is_alive(), f"still running after {HUNG} s"
    left = {t.name for t in threading.enumerate()} & {"mapping", "output"}
    assert not left, f"threads left behind: {left}"
    if outcome[0] is not None:
        raise outcome[0]


def with_folder(path, frames, source=None, threaded=True):
    """A system that writes a result folder, and its output."""
    system = System(small_config(adjusted=True), ExactPredictor(frames), out=path,
                    threaded=threaded)
    return system, system.output, source or Playback(frames)


@pytest.mark.slow
@pytest.mark.parametrize("realtime", [False, True])
def test_every_frame_is_tracked_and_written(small_walk, tmp_path, realtime):
    frames = small_walk[:40]
    system, output, source = with_folder(tmp_path / "out", frames)
    finish(system, source, realtime)
    report = output.report
    assert report["tracked"] == 40 and report["keyframes"] >= 2
    assert report["mapping_lag_ms"] > 0 and system.timings.tracking_memory_mb > 50
    # looser than in sequence: the newest keyframe is tracked against before it is optimised
    assert report["ate_m"] < 0.03 * report["path_length_m"]
    stamps = [f.timestamp for f in frames]
    for name in ("trajectory.txt", "trajectory_live.txt"):
        assert read_tum(tmp_path / "out" / name).timestamps == pytest.approx(stamps, abs=1e-6)


@pytest.mark.slow
def test_frames_after_the_last_keyframe_are_written(small_walk, tmp_path):
    """Mapping has long finished by then."""
    frames = small_walk[:8]
    system, _, source = with_folder(tmp_path / "out", frames, Playback(frames, delay=0.1))
    finish(system, source)
    assert len(system.graph) == 1
    assert len(read_tum(tmp_path / "out" / "trajectory.txt")) == len(frames)


@pytest.mark.slow
def test_repeated_runs_never_hang(small_walk):
    for frames in (small_walk[:1], small_walk[:2], *(small_walk[:20:2],) * 4):
        system = System(small_config(adjusted=True), ExactPredictor(frames), threaded=True)
        finish(system, Playback(frames))
        assert len(system.recording.tracked) == len(frames) and len(system.graph) >= 1


class EveryFrameAKeyframe(Playback):
    """Gives the next frame when the one before has become a keyframe, while mapping still has
    work on it."""

    system = None

    @staticmethod
    def config():
        config = small_config(adjusted=True)
        return replace(config, keyframes=replace(config.keyframes, max_translation=0.0,
                                                 min_interval=0.0))

    def __iter__(self):
        for number, frame in enumerate(self.frames):
            yield frame
            deadline = time.monotonic() + HUNG / 2
            while len(self.system._backend.published.graph) <= number:
                assert time.monotonic() < deadline, f"frame {number} has not become a keyframe"
                time.sleep(0.001)


class Counts(NoOutput):
    """Keyframes in each map update."""

    def __init__(self, classes):
        super().__init__(classes)
        self.counts = []

    def on_map(self, update):
        self.counts.append(len(update.graph))


@pytest.mark.slow
def test_map_is_handed_out_while_keyframes_come_faster_than_mapping_ends(small_walk):
    output, source = Counts(ExactPredictor.classes), EveryFrameAKeyframe(small_walk[:6])
    source.system = system = System(EveryFrameAKeyframe.config(), ExactPredictor(small_walk),
                                    output=output, threaded=True)
    finish(system, source)
    assert len(system.graph) == 6
    assert output.counts[-1] == 6 and len(set(output.counts)) >= 3


@pytest.mark.slow
def test_a_new_keyframe_is_shown_before_the_work_on_it_ends(small_walk, monkeypatch):
    shown, in_time = threading.Event(), []
    step = Mapper.step

    def slow(mapper, should_stop):
        if len(mapper.graph) == 2 and not in_time:
            in_time.append(shown.wait(30))
        return step(mapper, should_stop)

    def on_map(snapshot):
        if len(snapshot.keyframes) == 2:
            shown.set()

    monkeypatch.setattr(Mapper, "step", slow)
    source = EveryFrameAKeyframe(small_walk[:3])
    source.system = system = System(EveryFrameAKeyframe.config(), ExactPredictor(small_walk),
                                    threaded=True, on_map=on_map)
    finish(system, source)
    assert in_time == [True]


@pytest.mark.slow
def test_threaded_and_sequential_write_the_same_files(small_walk, tmp_path):
    def names(path):
        return {str(p.relative_to(path)) for p in path.rglob("*") if p.parent.name != "keyframes"
                and p.parent.parent.name != "keyframes"}

    sequential, _, source = with_folder(tmp_path / "a", small_walk[:20], threaded=False)
    sequential.run(source)
    threaded, _, source = with_folder(tmp_path / "b", small_walk[:20])
    finish(threaded, source)
    assert names(tmp_path / "a") == names(tmp_path / "b")
    per_keyframe = [{p.name for p in folder.iterdir()} for result in "ab"
                    for folder in (tmp_path / result / "keyframes").iterdir()]
    assert len(per_keyframe) >= 2 and all(files == per_keyframe[0] for files in per_keyframe)


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(5))
def test_stop_at_any_moment_leaves_a_readable_result(small_walk, tmp_path, moment):
    system, output, source = with_folder(tmp_path / "out", small_walk)
    timer = threading.Timer(random.Random(moment).uniform(0, 1.5), system.stop.set)
    timer.start()
    finish(system, source, realtime=True)
    timer.cancel()
    result = load_result(tmp_path / "out")
    tracked = int((~system.recording.tracked["lost"]).sum())
    assert len(result.trajectory) == tracked == output.report["tracked"]
    assert len(result.keyframes) == len(system.graph) == output.report["keyframes"]
    assert (tmp_path / "out" / "report.json").is_file()


class Refusal(Exception):
    """What the parts below raise."""


def test_failure_of_the_network_surfaces(small_walk):
    exact, calls = ExactPredictor(small_walk), []

    class Failing:
        classes, width, height = exact.classes, exact.width, exact.height

        @staticmethod
        def predict(image, camera):
            calls.append(True)
            if len(calls) == 2:
                raise Refusal("second keyframe")
            return exact.predict(image, camera)

    with pytest.raises(Refusal, match="second keyframe"):
        finish(System(small_config(adjusted=True), Failing(), threaded=True), Playback(small_walk))


def test_failure_before_the_first_keyframe_surfaces(small_walk):
    class Failing:
        classes, width, height = ExactPredictor.classes, 128, 96

        @staticmethod
        def predict(image, camera):
            raise Refusal("first keyframe")

    with pytest.raises(Refusal, match="first keyframe"):
        finish(System(small_config(adjusted=True), Failing(), threaded=True), Playback(small_walk),
               realtime=True)


def test_failure_of_the_output_surfaces_and_ends_the_run(small_walk):
    def on_map(snapshot):
        raise Refusal("disk full")

    system = System(small_config(adjusted=True), ExactPredictor(small_walk), on_map=on_map,
                    threaded=True)
    with pytest.raises(Refusal, match="disk full"):
        finish(system, Playback(small_walk, delay=0.05))
    assert len(system.recording.tracked) < len(small_walk)


def test_failure_of_source_or_display_surfaces(small_walk):
    class Torn(Playback):
        def __iter__(self):
            yield from small_walk[:3]
            raise Refusal("cable")

    def on_frame(frame, tracked):
        if frame.index == 3:
            raise Refusal("display")

    with pytest.raises(Refusal, match="cable"):
        finish(System(small_config(adjusted=True), ExactPredictor(small_walk), threaded=True),
               Torn(small_walk))
    with pytest.raises(Refusal, match="display"):
        finish(System(small_config(adjusted=True), ExactPredictor(small_walk), on_frame=on_frame,
                      threaded=True), Playback(small_walk))


@pytest.mark.slow
def test_recording_is_played_at_its_own_speed(small_walk):
    stamps = []
    system = System(small_config(adjusted=True), ExactPredictor(small_walk[:20]), threaded=True,
                    on_frame=lambda f, t: stamps.append((f.timestamp, time.monotonic())))
    started = time.monotonic()
    finish(system, Playback(small_walk[:20]), realtime=True)
    recorded, played = np.array(stamps).T
    # never early, however slow the machine; the tolerance is that of clocks
    assert (played - started >= recorded - recorded[0] - 0.005).all()


def test_the_clock_of_a_recording_does_not_run_while_tracking_starts(small_walk, monkeypatch):
    """Else the frames of a second or two would be played at once, while nothing is known yet."""
    events, wait = [], TrackingProcess.wait_until_ready

    def ready(process):
        wait(process)
        events.append("ready")

    class Watched(Playback):
        def __iter__(self):
            events.append("first frame")
            yield from super().__iter__()

    monkeypatch.setattr(TrackingProcess, "wait_until_ready", ready)
    frames = small_walk[:3]
    system, _, source = with_folder(None, frames, Watched(frames))
    finish(system, source, realtime=True)
    assert events == ["ready", "first frame"]


def test_number_of_torch_threads_is_given_back(small_walk):
    before = torch.get_num_threads()
    inside = []
    System(small_config(adjusted=True), ExactPredictor(small_walk[:3]), threaded=True,
           on_frame=lambda f, t: inside.append(torch.get_num_threads())
           ).run(Playback(small_walk[:3]), realtime=False)
    assert inside == [1, 1, 1] and torch.get_num_threads() == before


def test_a_tracking_process_that_does_not_start_leaves_nothing_behind(small_walk, tmp_path,
                                                                      monkeypatch):
    def fail(process):
        raise Refusal("no process")

    monkeypatch.setattr(TrackingProcess, "wait_until_ready", fail)
    before = torch.get_num_threads()
    for _ in range(2):  # the folder of the first is free for the second
        system, _, source = with_folder(tmp_path / "out", small_walk[:3])
        with pytest.raises(Refusal, match="no process"):
            finish(system, source)
    assert torch.get_num_threads() == before
    assert not [child for child in multiprocessing.active_children() if child.name == "tracking"]
