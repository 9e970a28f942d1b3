"""What a stage or a residual adds: the variants, their tables, and how sequences are run."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.calibrations import measured_camera
from support.walks import Playback

from scenecode.cli.main import main
from scenecode.core.shipped import CONFIGS
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.benchmarks import sequences
from scenecode.slam.benchmarks.ablation import residual_variants, stage_variants
from scenecode.slam.benchmarks.sequences import SequenceConfig
from scenecode.slam.benchmarks.stages import Summary, markdown
from scenecode.slam.config.files import load_config
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.sources.rooms import RoomsSource

STAGES, RESIDUALS = (list(variants(SlamConfig())) for variants in (stage_variants,
                                                                   residual_variants))
PAPER = load_config(CONFIGS / "paper.yaml")


@pytest.fixture
def evaluate(tiny_weights, capsys):
    """``scenecode evaluate stages --json`` with the tiny network and a short schedule."""
    schedule = ", ".join(f"{{stage: {name}, level: 3, iterations: 1}}"
                         for name in ("geometry", "semantics", "joint"))

    def call(*arguments):
        status = main(["evaluate", "stages", "--json", "--model", str(tiny_weights),
                       "--set", f"mapping.schedule=[{schedule}]", *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else None, "".join(err.splitlines())
    return call


def test_each_row_of_the_stages_adds_one_part():
    rows = stage_variants(SlamConfig())
    stages = {name: [s.stage for s in c.mapping.schedule] for name, c in rows.items()}
    assert stages["zero code, tracking alone"] == []
    assert set(stages["poses"]) == {"geometry"} and stages["poses"] == stages["+ geometry"]
    assert stages["+ semantics"] == stages["+ geometry"] + ["semantics"]
    assert rows["+ joint"].mapping == PAPER.mapping
    assert {name for name, c in rows.items() if c.mapping.scale_share == 0} == {next(iter(rows))}
    own_codes = {name for name, c in rows.items() if c.mapping.residuals.code_sigma >= 1}
    assert own_codes == rows.keys() - {"poses"}
    *before, depth, labels, default = rows.values()
    assert {c.fusion.refinement.method for c in before} == {"none"}
    assert depth.fusion.refinement.method == "images"
    assert {c.fusion.labels for c in (*before, depth)} == {"none"}
    assert labels == PAPER and default == SlamConfig()
    assert stage_variants(labels) == rows


def test_rows_of_the_residuals_lack_one_each():
    rows = residual_variants(SlamConfig())
    used = {name: set(c.mapping.residuals.terms) for name, c in rows.items()}
    assert rows["all"] == PAPER
    for name, term in (("no photometric", "photometric"), ("no geometric", "geometric"),
                       ("no semantic", "semantic"), ("no code prior", "code")):
        assert used["all"] - used[name] == {term}
    assert rows["no landmarks (nor loops)"].mapping.landmarks.per_keyframe == 0
    assert rows["no scale from neighbours"].mapping.scale_share == 0
    schedules = [rows[name].mapping.schedule for name in ("all", "no semantic in the joint stage")]
    assert [s.stage for s in schedules[1]][-2:] == ["semantics", "geometry"]
    assert [(s.level, s.iterations) for s in schedules[0]] \
        == [(s.level, s.iterations) for s in schedules[1]]


@pytest.mark.slow
@pytest.mark.parametrize("options, stem, rows", [((), "stages", STAGES),
                                                 (("--residuals",), "residuals", RESIDUALS)])
def test_sequences_are_run_in_every_row_and_kept(evaluate, tmp_path, options, stem, rows):
    suite = tmp_path / "mine.yaml"
    suite.write_text("sequences:\n- {name: a room, source: 'rooms:1:40'}\n")
    status, found, _ = evaluate("--suite", suite, "--seeds", "2", "--frames", "4",
                                "--max-frames", "5", "--out", tmp_path, *options)
    assert status == 0 and list(found["sequences"]) == ["a room", "room 2"]
    assert all(list(by_row) == rows for by_row in found["sequences"].values())
    assert [by_row[rows[0]]["frames"] for by_row in found["sequences"].values()] == [5, 4]
    scores = found["sequences"]["room 2"][rows[-1]]
    assert scores["ate_percent"] == pytest.approx(100 * scores["ate_m"] / scores["path_length_m"])
    assert found["averaged"]["miou"] == 2
    assert json.loads((tmp_path / f"{stem}.json").read_text()) == found
    lines = (tmp_path / f"{stem}.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("###")] \
        == ["### a room", "### room 2", "### mean"]
    assert lines[-1] == "| sequences | 2 | 2 | 2 | 2 | 2 | 2 |"


def test_means_compare_rows_on_the_same_sequences():
    known, lost = {"ate_percent": 2.0, "coverage": 1.0}, {"coverage": 0.5}
    found = {"a": {"x": known, "y": known | {"ate_percent": 4.0}},
             "b": {"x": known | {"ate_percent": 6.0}, "y": lost},
             "unfinished": {"x": known | {"coverage": 0.0}}}
    summary = Summary.of(found, ["x", "y"])
    assert summary.mean == {"x": known, "y": {"ate_percent": 4.0, "coverage": 0.75}}
    assert summary.counts["ate_percent"] == 1 and summary.counts["coverage"] == 2
    assert summary.counts["miou"] == 0
    assert summary.spread["x"] == {"coverage": 0}  # one sequence has no spread
    assert summary.spread["y"] == {"coverage": pytest.approx(0.5 / 2 ** 0.5)}
    table = markdown(found, ["x", "y"])
    assert "| y | - | - | 50.0 | - | - | - |" in table
    assert "| y | 4.00 | - | 75.0 +- 35.4 | - | - | - |" in table


@pytest.mark.slow
def test_poses_too_few_to_align_are_dashes(evaluate):
    status, found, _ = evaluate("rooms:1:2", "rooms:1:4")
    assert status == 0 and found["averaged"]["rotation_deg"] == 1
    for row in found["sequences"]["rooms:1:2"].values():
        assert "ate_percent" not in row and row["coverage"] == 1


def test_an_interrupt_prints_what_there_is(evaluate, monkeypatch, tmp_path):
    ran = []
    run_source = sequences.run_source

    def impatient(title, *arguments):
        ran.append(title)
        if len(ran) == 2:
            raise KeyboardInterrupt
        return run_source(title, *arguments)

    monkeypatch.setattr("scenecode.slam.benchmarks.stages.run_source", impatient)
    status, found, err = evaluate("--seeds", "1", "--frames", "3", "--out", tmp_path)
    assert status == 0 and "after 1 of 8 runs" in err
    assert list(found["sequences"]["room 1"]) == STAGES[:1] and found["averaged"]["coverage"] == 0
    assert json.loads((tmp_path / "stages.json").read_text()) == found


@pytest.mark.slow
def test_a_recording_is_opened_and_its_lens_measured_once(evaluate, tmp_path, monkeypatch):
    for frame in RoomsSource(1, 6, 64, 64):
        name = f"frame-{frame.index:06d}"
        pixels = (255 * frame.image.permute(1, 2, 0).numpy()).astype(np.uint8)[..., ::-1]
        cv2.imwrite(str(tmp_path / f"{name}.color.png"), pixels)
        np.savetxt(tmp_path / f"{name}.pose.txt", frame.truth.T_world_cam.numpy())
    measured = []

    def measure(recording, is_focal_stated):
        measured.append(recording.name)
        lens = BrownConrady(k1=0.05, k2=0.0)
        return measured_camera(replace(recording.original, distortion=lens))

    monkeypatch.setattr("scenecode.slam.calibration.opening.measure_camera", measure)
    status, found, err = evaluate(tmp_path, "--intrinsics", "59,59,32,32")
    assert status == 0 and len(measured) == 1 and "undoing that" in " ".join(err.split())
    rows = found["sequences"][tmp_path.name]
    assert [row["frames"] for row in rows.values()] == [6] * len(STAGES)


def test_a_camera_is_refused(evaluate, monkeypatch):
    camera = Playback([])
    camera.is_live = True
    monkeypatch.setattr(SequenceConfig, "open", lambda *arguments: camera)
    status, _, err = evaluate("0")
    assert status == 1 and "cannot be run several times" in err


def test_a_sequence_without_truth_is_refused(evaluate, tmp_path):
    for n in range(4):
        noise = np.random.default_rng(n).integers(0, 255, (64, 64, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{n}.png"), noise)
    status, _, err = evaluate(tmp_path)
    assert status == 1 and "no ground truth" in err
