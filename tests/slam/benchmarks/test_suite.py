"""The evaluation suite: rows, table, plots, other systems' paths, suite files."""

import json

import cv2
import numpy as np
import pytest

from scenecode.cli.main import main
from scenecode.core.errors import ConfigError, ResultError
from scenecode.core.shipped import CONFIGS
from scenecode.core.strict_config import from_mapping, load_yaml
from scenecode.slam.benchmarks.sequences import SequenceConfig, SuiteConfig
from scenecode.slam.benchmarks.suite import OURS, Row, markdown, results
from scenecode.slam.evaluation.trajectory_plot import aligned_positions, plot_trajectories
from scenecode.slam.records.ground import ground_axes
from scenecode.slam.records.trajectory import Trajectory, read_tum, write_tum
from scenecode.slam.sources.rooms import RoomsSource

SCORES = {"ate_m", "rpe_m", "rotation_deg", "coverage", "zero_motion_ate_m", "depth_within_10",
          "depth_within_10_metric", "depth_confident_share", "abs_rel", "miou", "fps"}
SUITES = sorted((CONFIGS / "suites").glob("*.yaml"))


@pytest.fixture
def evaluate(tiny_weights, capsys):
    """``scenecode evaluate sequence --json`` with the tiny network and a short schedule."""
    def call(*arguments):
        status = main(["evaluate", "sequence", "--json", "--model", str(tiny_weights), "--set",
                       "mapping.schedule=[{stage: geometry, level: 3, iterations: 2}, "
                       "{stage: joint, level: 3, iterations: 1}]", *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else None, err
    return call


def true_path(seed=1, frames=12):
    poses = RoomsSource(seed, frames, 64, 64).poses
    return Trajectory(np.arange(frames) / 30, poses)


@pytest.mark.slow
def test_rooms_are_run_scored_tabulated_and_drawn(evaluate, tmp_path):
    status, found, _ = evaluate("rooms:1:12", "rooms:2:10", "--out", tmp_path)
    assert status == 0 and list(found) == ["rooms:1:12", "rooms:2:10"]
    for name, frames in (("rooms:1:12", 12), ("rooms:2:10", 10)):
        assert SCORES <= found[name][OURS].keys() and found[name][OURS]["frames"] == frames
    assert json.loads((tmp_path / "results.json").read_text()) == found
    table = (tmp_path / "table.md").read_text().splitlines()
    assert len(table) == 4 and "| rooms:2:10 | scenecode |" in table[3]
    assert f"{found['rooms:1:12'][OURS]['ate_m']:.3f}" in table[2]
    assert len(read_tum(tmp_path / "rooms_1_12.txt")) == 12
    assert cv2.imread(str(tmp_path / "rooms_1_12.png")) is not None


@pytest.mark.slow
def test_a_run_is_repeatable(evaluate, tmp_path):
    runs = [evaluate("rooms:1:12", "--out", tmp_path)[1]["rooms:1:12"][OURS] for _ in range(2)]
    assert all(run.pop("fps") > 0 for run in runs) and runs[0] == runs[1]


@pytest.mark.slow
def test_other_systems_stand_in_the_same_table(evaluate, tmp_path):
    truth = true_path()
    write_tum(tmp_path / "perfect.txt", truth)
    write_tum(tmp_path / "half.txt", truth.at(np.arange(6)))
    write_tum(tmp_path / "lost.txt", truth.at(np.arange(2)))
    compare = [a for name in ("perfect", "half", "lost")
               for a in ("--compare", f"{name}={tmp_path / name}.txt")]
    status, found, _ = evaluate("rooms:1:12", *compare, "--out", tmp_path / "out")
    systems = found["rooms:1:12"]
    assert status == 0 and list(systems) == [OURS, "perfect", "half", "lost"]
    assert systems["perfect"]["ate_m"] < 1e-6 and systems["half"]["coverage"] == 0.5
    assert systems["lost"] == {"coverage": pytest.approx(2 / 12)}
    lost = (tmp_path / "out" / "table.md").read_text().splitlines()[-1]
    assert "| lost | - | - |" in lost and "| 16.7 |" in lost


@pytest.mark.slow
def test_a_suite_file_lists_sequences_with_paths_below_the_data(evaluate, tmp_path, monkeypatch):
    write_tum(tmp_path / "other.txt", true_path(frames=8))
    suite = tmp_path / "mine.yaml"
    # a name with what the terminal's library reads as markup
    suite.write_text("sequences:\n- {name: 'a[/room]', source: 'rooms:1:12', "
                     "compare: [other=other.txt]}\n")
    monkeypatch.setenv("SCENECODE_DATA", str(tmp_path))
    status, found, _ = evaluate("--suite", suite, "--max-frames", "8", "--out", tmp_path / "out")
    assert status == 0 and found["a[/room]"][OURS]["frames"] == 8
    assert found["a[/room]"]["other"]["ate_m"] < 1e-6
    assert (tmp_path / "out" / "a__room_.png").is_file()


@pytest.mark.slow
def test_an_interrupt_prints_what_there_is(evaluate, tmp_path, monkeypatch):
    opened = SequenceConfig.open

    def impatient(sequence, width, height):
        if sequence.source == "rooms:2:9":
            raise KeyboardInterrupt
        return opened(sequence, width, height)

    monkeypatch.setattr(SequenceConfig, "open", impatient)
    status, found, err = evaluate("rooms:1:9", "rooms:2:9", "--out", tmp_path)
    assert status == 0 and list(found) == ["rooms:1:9"] and "after 1 of 2 sequences" in err


@pytest.mark.slow
def test_two_processes_give_the_same_and_a_failure_leaves_the_others_alone(evaluate, tmp_path):
    sequences = ("rooms:1:9", str(tmp_path / "absent.mp4"), "rooms:2:9")
    status, alone, err = evaluate(*sequences, "--out", tmp_path / "one")
    assert status == 1 and "absent.mp4: no such file" in err
    status, found, err = evaluate(*sequences, "--out", tmp_path / "two", "--workers", "2")
    assert status == 1 and "absent.mp4: no such file" in err
    assert list(found) == list(alone) == ["rooms:1:9", "rooms:2:9"]
    for title in found:
        assert found[title][OURS]["ate_m"] == pytest.approx(alone[title][OURS]["ate_m"], rel=0.02)


@pytest.mark.parametrize("arguments, message", [
    ([], "nothing to run"),
    (["rooms:1:9", "rooms:2:9", "--compare", "a=b.txt"], "belongs to one SOURCE"),
    (["rooms:1:9", "--compare", "b.txt"], "expected NAME=FILE"),
    (["rooms:1:9", "rooms:1:9"], "different names"),
    (["rooms:1:9", "--compare", "a=absent.txt"], "absent.txt"),
    (["--suite", "absent"], "absent")])
def test_what_cannot_be_run_is_named(evaluate, tmp_path, arguments, message):
    status, _, err = evaluate(*arguments, "--out", tmp_path)
    assert status == 1 and message in "".join(err.splitlines())


def test_a_sequence_without_truth_is_refused(evaluate, tmp_path):
    for n in range(4):
        noise = np.random.default_rng(n).integers(0, 255, (64, 64, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{n}.png"), noise)
    status, _, err = evaluate(tmp_path, "--out", tmp_path / "out")
    assert status == 1 and "no ground truth" in err


@pytest.mark.parametrize("path", SUITES, ids=lambda p: p.stem)
def test_shipped_suites_are_valid(path):
    assert from_mapping(SuiteConfig, load_yaml(path), str(path)).sequences


def test_a_suite_with_an_unknown_key_is_refused():
    with pytest.raises(ConfigError, match="did you mean source"):
        from_mapping(SuiteConfig, {"sequences": [{"sorce": "a"}]})
    with pytest.raises(ConfigError, match="needs a source"):
        from_mapping(SuiteConfig, {"sequences": [{"source": ""}]})


def test_unknown_scores_are_dashes():
    rows = [Row("a", OURS, {"ate_m": 0.12345, "coverage": 1.0, "miou": None}),
            Row("a", "b", {"coverage": 0.5})]
    lines = markdown(rows).splitlines()
    assert lines[0].startswith("| sequence | system | ATE m |")
    assert lines[2].startswith("| a | scenecode | 0.123 | - |") and "| 100.0 |" in lines[2]
    assert results(rows)["a"]["b"] == {"coverage": 0.5}


@pytest.mark.slow
def test_paths_are_aligned_and_seen_from_above(tmp_path):
    truth = true_path(frames=30)
    moved = truth.T_world_cam.copy()
    moved[:, :3, 3] = 0.5 * moved[:, :3, 3] + (1, 2, 3)
    smaller = Trajectory(truth.timestamps, moved)
    np.testing.assert_allclose(aligned_positions(truth, smaller), truth.positions, atol=1e-9)
    right, _, ahead = ground_axes(truth.T_world_cam)
    # the rooms' z points up, and a hand holds the camera about upright
    assert abs(right[2]) < 0.3 and abs(ahead[2]) < 0.5 and abs(right @ ahead) < 1e-9
    with pytest.raises(ResultError, match="2 poses match"):
        aligned_positions(truth, truth.at(np.arange(2)))
    # names that matplotlib would read as formulas, or leave out of the legend
    plot_trajectories(tmp_path / "a.png", "a $\\frac{", {
        "truth": truth, "b": smaller, "_c $x^{": truth.at(np.arange(2))})
    assert cv2.imread(str(tmp_path / "a.png")).std() > 5
