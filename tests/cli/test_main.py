"""The command line: help, settings, runs with a tiny untrained network, errors, Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

import scenecode.slam.system
from scenecode.cli.main import INTERRUPTED, main
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.output.result_folder import load_result
from scenecode.slam.records.trajectory import read_tum

ROOT = Path(__file__).parent.parent.parent
SIZE = ["--set", "width=64", "--set", "height=64"]
FILES = {"trajectory.txt", "trajectory_live.txt", "keyframes.txt", "map.ply", "classes.json",
         "config.yaml", "report.json"}
KEYFRAME_FILES = {"rgb.png", "depth.png", "labels.png", "uncertainty.png"}
REPORT_KEYS = {"frames", "tracked", "coverage", "keyframes", "lost_spans", "tracking_fps",
               "keyframe_ms", "window_iteration_ms", "peak_memory_mb", "resident_mb",
               "culled", "reused", "relocalised_at", "lag_ms", "output_lag_ms"}
#: Seconds that a sub-process may take on a busy machine.
PATIENCE = 120


@pytest.fixture
def run(tiny_weights, capsys):
    """``scenecode`` with the tiny network: exit status, standard output and error."""
    def call(*arguments):
        status = main([*arguments, "--model", str(tiny_weights), *SIZE])
        return status, *capsys.readouterr()
    return call


@pytest.fixture
def pictures(small_walk, tmp_path):
    """A folder of ten images."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for frame in small_walk[:10]:
        pixels = (frame.image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        cv2.imwrite(str(folder / f"{frame.index:03d}.png"), pixels[..., ::-1])
    return str(folder)


def fails(capsys, *arguments):
    """Standard error of a call that must end with exit status 1."""
    assert main(list(arguments)) == 1
    out, err = capsys.readouterr()
    assert "scenecode: error: " in err and "Traceback" not in err
    return err


def assert_complete(folder):
    assert FILES <= {p.name for p in folder.iterdir()}
    keyframes = sorted((folder / "keyframes").iterdir())
    assert keyframes and all(KEYFRAME_FILES <= {p.name for p in k.iterdir()} for k in keyframes)
    report = json.loads((folder / "report.json").read_text())
    assert REPORT_KEYS <= report.keys()
    result = load_result(folder)
    assert len(result.keyframes) == len(keyframes) == report["keyframes"]
    assert len(result.trajectory) == report["tracked"]
    assert len(read_tum(folder / "trajectory_live.txt")) == report["tracked"]
    return report


@pytest.mark.parametrize("command", [[], ["demo"], ["run"], ["train"], ["evaluate"],
                                     ["evaluate", "trajectory"], ["evaluate", "model"],
                                     ["evaluate", "stages"], ["evaluate", "fusion"],
                                     ["evaluate", "sequence"], ["bench"],
                                     ["bench", "network"], ["view"], ["config"]])
def test_help_shows_examples(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0 and "usage: scenecode" in text
    if command not in ([], ["evaluate"], ["bench"]):
        assert "example" in text and " scenecode " + " ".join(command) in text


def test_nothing_to_do_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2 and "COMMAND" in capsys.readouterr().err


def test_printed_settings_are_read_back(capsys, tmp_path):
    assert main(["config", "--all", "--set", "mapping.window=8", "--set",
                 "tracking.max_error=1e-1", "--device", "cpu"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "mine.yaml").write_text(text)
    assert main(["config", "--all", "--config", str(tmp_path / "mine.yaml")]) == 0
    assert capsys.readouterr().out == text
    settings = yaml.safe_load(text)
    assert settings["mapping"]["window"] == 8 and settings["tracking"]["max_error"] == 0.1
    assert settings["mapping"]["links"] == SlamConfig().mapping.links


@pytest.mark.slow
def test_run_writes_the_whole_result_and_prints_the_report(run, tmp_path):
    status, out, _ = run("run", "rooms:1:12", "--sequential", "--out", str(tmp_path / "r"))
    assert status == 0 and "coverage" in out and "ate_m" in out
    report = assert_complete(tmp_path / "r")
    assert report["frames"] == 12 and report["miou"] >= 0 and report["depth_within_10"] >= 0
    settings = yaml.safe_load((tmp_path / "r" / "config.yaml").read_text())
    assert settings["width"] == 64 and settings["device"] == "cpu"


@pytest.mark.slow
def test_threaded_run_and_its_frame_limit(run, pictures, tmp_path):
    status, _, _ = run("run", pictures, "--max-frames", "9", "--out", str(tmp_path / "r"))
    assert status == 0 and assert_complete(tmp_path / "r")["frames"] == 9


@pytest.mark.slow
def test_demo_compares_with_the_truth(run):
    status, out, _ = run("demo", "--frames", "8", "--seed", "3")
    assert status == 0
    for score in ("ate_m", "rotation_deg", "coverage", "depth_within_10", "miou"):
        assert score in out


@pytest.mark.slow
def test_unreadable_picture_in_the_middle_is_skipped_and_counted(run, pictures, tmp_path):
    path = Path(pictures) / "004.png"
    path.write_bytes(path.read_bytes()[:200])
    status, _, err = run("run", pictures, "--intrinsics", "118.5,118.5,63.5,47.5",
                         "--sequential", "--out", str(tmp_path / "r"))
    assert status == 0 and "004.png" in "".join(err.split())
    report = assert_complete(tmp_path / "r")
    assert report["unreadable"] == 1 and report["frames"] == 10
    assert report["tracked"] >= 1 and report["coverage"] == report["tracked"] / 10


@pytest.mark.slow
def test_earlier_result_is_replaced(run, pictures, tmp_path):
    out = tmp_path / "r"
    for frames in ("8", "5"):
        status, _, _ = run("run", pictures, "--max-frames", frames, "--sequential",
                           "--out", str(out))
        assert status == 0
    assert assert_complete(out)["frames"] == 5


def test_evaluation_prints_the_promised_numbers(tmp_path, capsys):
    lines = [f"{0.1 * i:.6f} {0.1 * i:.9f} {0.01 * i * i:.9f} 0 0 0 0 1\n" for i in range(20)]
    (tmp_path / "gt.txt").write_text("".join(lines))
    (tmp_path / "est.txt").write_text("".join(lines[2:]))
    assert main(["evaluate", "trajectory", str(tmp_path / "gt.txt"), str(tmp_path / "est.txt"),
                 "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores.keys() == {"ate_m", "rotation_deg", "rpe_m", "coverage", "zero_motion_ate_m",
                             "path_length_m", "scale"}
    assert scores["ate_m"] < 1e-6 and scores["coverage"] == 0.9


@pytest.mark.parametrize("setting, message", [
    ("mapping.windw=8", "unknown key 'mapping.windw'; did you mean window?"),
    ("trackng.max_error=1", "unknown key 'trackng'; did you mean tracking?"),
    ("mapping.window=many", "'mapping.window' must be a whole number"),
    ("mapping.window=0", "must be at least 1"),
    ("mapping.window", "expected key=value"),
    ("mapping.geometric_level=7", "must be 0 to 3; got 0 to 7"),
    ("tracking.lost_error=0.2", "'tracking.lost_error' is now 'tracking.max_error'"),
    ("device=gpu", "device 'gpu' is unknown")])
def test_setting_that_nobody_reads_is_named(capsys, setting, message):
    assert message in fails(capsys, "config", "--set", setting)


def test_unknown_key_in_a_file_is_named_with_the_file(capsys, tmp_path):
    (tmp_path / "mine.yaml").write_text("mapping:\n  windoww: 3\n")
    err = fails(capsys, "run", "rooms:1:3", "--config", str(tmp_path / "mine.yaml"))
    assert "mine.yaml: unknown key 'mapping.windoww'; did you mean window?" in err
    assert "no.yaml" in fails(capsys, "config", "--config", str(tmp_path / "no.yaml"))


def test_missing_and_truncated_weights_are_named(capsys, pictures, tmp_path, tiny_weights):
    assert "nobody: no such weights" in fails(capsys, "run", pictures, "--model", "nobody")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(tiny_weights.read_bytes()[:5000])
    err = fails(capsys, "run", pictures, "--model", str(cut))
    assert f"{cut}: truncated" in err


@pytest.mark.slow
def test_a_run_takes_the_image_size_of_its_model(run, pictures, tiny_weights, tmp_path):
    out = tmp_path / "out"
    assert run("run", pictures, "--model", str(tiny_weights), "--out", str(out))[0] == 0
    resolved = yaml.safe_load((out / "config.yaml").read_text())
    assert (resolved["width"], resolved["height"]) == (64, 64)


def test_precision_reaches_the_network(run, pictures, monkeypatch, capsys):
    requested = []

    def load(model, device, precision):
        requested.append(precision)
        raise KeyboardInterrupt

    monkeypatch.setattr(scenecode.slam.system, "load_front_end", load)
    assert run("run", pictures, "--set", "precision=bfloat16")[0] == INTERRUPTED
    assert run("run", pictures)[0] == INTERRUPTED
    assert requested == ["bfloat16", "float32"]
    assert "precision" in fails(capsys, "run", pictures, "--set", "precision=half")


def test_missing_source_and_empty_folder_are_named(capsys, tmp_path):
    assert "nowhere.mp4: no such file or folder" in fails(capsys, "run", "nowhere.mp4")
    assert "no images in this folder" in fails(capsys, "run", str(tmp_path))
    assert "rooms:SEED" in fails(capsys, "run", "rooms:x")


@pytest.mark.parametrize("numbers", ["525,525", "525,525,320", "1,2,3,4,5", "a,b,c,d", ""])
def test_wrong_number_of_intrinsics_is_a_usage_error(capsys, numbers):
    with pytest.raises(SystemExit) as ended:
        main(["run", "rooms:1:3", "--intrinsics", numbers])
    assert ended.value.code == 2 and "--intrinsics" in capsys.readouterr().err


@pytest.mark.slow
def test_result_folder_that_cannot_be_made_is_named(run, pictures, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = run("run", pictures, "--out", str(tmp_path / "file" / "out"))
    assert status == 1 and "cannot make the result folder" in err and "--out" in err


@pytest.mark.slow
def test_foreign_folder_is_left_alone(run, pictures, tmp_path):
    out = tmp_path / "home"
    out.mkdir()
    (out / "thesis.tex").write_text("precious")
    status, _, err = run("run", pictures, "--out", str(out))
    assert status == 1 and "not empty and not an earlier result" in err
    assert [p.name for p in out.iterdir()] == ["thesis.tex"]


@pytest.mark.slow
def test_darkness_only_is_an_error_with_a_cure(run, tmp_path):
    (tmp_path / "dark").mkdir()
    for i in range(4):
        cv2.imwrite(str(tmp_path / "dark" / f"{i}.png"), np.zeros((64, 64, 3), np.uint8))
    status, _, err = run("run", str(tmp_path / "dark"), "--out", str(tmp_path / "out"))
    assert status == 1 and "contrast" in err and "exposure" in err
    assert json.loads((tmp_path / "out" / "report.json").read_text())["tracked"] == 0


def test_interrupt_before_there_is_anything_to_save(run, pictures, monkeypatch):
    def impatient(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(scenecode.slam.system, "load_front_end", impatient)
    status, _, err = run("run", pictures)
    assert status == INTERRUPTED and "interrupted" in err and "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("mode, number", [([], signal.SIGINT), (["--sequential"], signal.SIGTERM)])
def test_interrupt_saves_and_ends_well(tiny_weights, tmp_path, mode, number):
    out = tmp_path / "out"
    start = "import sys; from scenecode.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "run", "rooms:1:900", "--model",
               str(tiny_weights), *SIZE, "--out", str(out), *mode]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        deadline = time.monotonic() + PATIENCE
        while not (out / "report.json").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stderr
    assert "coverage" in stdout and "Traceback" not in stderr
    assert assert_complete(out)["frames"] < 900


@pytest.mark.parametrize("name", ["code_32", "configs/train/code_32.yaml"])
def test_shipped_training_configurations_are_found_from_any_folder(
        capsys, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()  # a folder of the user's own
    assert "expected key=value" in fails(capsys, "train", name, "--set", "epochs")


def test_ctrl_c_while_a_command_is_imported_is_no_trace(capsys, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("scenecode.cli.main.import_module", interrupted)
    assert main(["run", "rooms:1:3"]) == 130
    assert "interrupted" in capsys.readouterr().err
