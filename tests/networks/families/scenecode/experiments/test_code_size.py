import json
import signal
from dataclasses import replace

import pytest
from support.small_training import images, quiet, small_config

from scenecode.core.errors import ConfigError
from scenecode.core.shipped import CONFIGS
from scenecode.networks.families.scenecode.experiments import code_size as ablation
from scenecode.networks.families.scenecode.experiments.code_size import (
    Result,
    open_variants,
    run_variants,
    write_report,
)
from scenecode.networks.training.trainer import Trainer

SHIPPED = sorted((CONFIGS / "train").glob("code_*.yaml"))


def variants(**sizes) -> dict:
    base = small_config(epochs=1)
    return {name: replace(base, model=replace(base.model, depth_code=size, semantic_code=size))
            for name, size in sizes.items()}


def test_shipped_variants_differ_in_code_and_decoder_only():
    found = open_variants(SHIPPED, ["epochs=3"])
    assert {(c.model.decoder, c.model.depth_code) for c in found.values()} == {
        ("linear", 0), ("linear", 8), ("linear", 32), ("linear", 128),
        ("nonlinear", 8), ("nonlinear", 32), ("nonlinear", 128)}
    assert {c.epochs for c in found.values()} == {3}


def test_unequal_budgets_are_refused(tmp_path):
    for name, text in (("a", "epochs: 3"), ("b", "epochs: 4"), ("c", "model: {depth_code: 8}")):
        (tmp_path / f"{name}.yaml").write_text(text + "\n")
    with pytest.raises(ConfigError, match="b.yaml: differs from .*a.yaml in more than code size"):
        open_variants([tmp_path / "a.yaml", tmp_path / "b.yaml"])
    with pytest.raises(ConfigError, match="c.yaml: has codes of 8 and 32"):
        open_variants([tmp_path / "c.yaml"])


@pytest.mark.slow
def test_stopped_runs_go_on_and_finished_ones_are_kept(tmp_path, monkeypatch):
    step, seen = Trainer.training_step, []

    def interrupted_step(self, batch):
        seen.append((self.config.model.depth_code, self.step))
        if len(seen) == 5:
            signal.raise_signal(signal.SIGINT)
        return step(self, batch)

    monkeypatch.setattr(Trainer, "training_step", interrupted_step)
    chosen = variants(none=0, four=4)
    options = {"device": "cpu", "images": images(6), "console": quiet()}
    assert run_variants(chosen, tmp_path, **options) is None
    assert seen == [(0, 0), (0, 1), (0, 2), (4, 0), (4, 1)]
    results = run_variants(chosen, tmp_path, **options)
    assert seen[5:] == [(4, 2)]
    assert [(r.code, r.decoder, r.epochs) for r in results] == [(0, "linear", 1), (4, "linear", 1)]
    logged = json.loads((tmp_path / "four" / "log.jsonl").read_text())["val"]
    assert results[1].scores == logged
    longer = {"four": replace(chosen["four"], epochs=9)}
    with pytest.raises(ConfigError, match="config.yaml: is of a run with another configuration"):
        run_variants(longer, tmp_path, **options)


def result(decoder, code, zero, encoded) -> Result:
    return Result(decoder=decoder, code=code, epochs=2, scores={
        "zero_code": {"miou": zero, "proximity_error": 0.05},
        "encoded": {"miou": encoded, "proximity_error": 0.05 if not code else 0.04}})


def test_report_has_every_run_and_what_follows_from_them(tmp_path):
    results = [result("linear", 32, 0.41, 0.6), result("linear", 0, 0.4, 0.4),
               result("linear", 8, 0.42, 0.5), result("nonlinear", 8, 0.4, 0.39)]
    path = write_report(results, small_config(epochs=2), tmp_path)
    text = path.read_text()
    rows = [line for line in text.splitlines() if line.startswith(("| linear", "| nonlinear"))]
    assert [row.split(" | ")[1] for row in rows] == ["0", "8", "32", "8"]
    assert rows[1] == "| linear | 8 | 0.4200 | 0.5000 | 0.0500 | 0.0400 |"
    assert "mIoU: in 2 of 3 runs" in text and "proximity error: in 3 of 3 runs" in text
    assert "Encoded mIoU, linear: 8 to 32 +0.1000." in text
    assert "Encoded mIoU, non-linear minus linear: 8 -0.1100." in text
    assert (tmp_path / "code_size.png").read_bytes().startswith(b"\x89PNG")


def test_command_writes_the_report_of_finished_runs(tmp_path, capsys):
    """Runs that are done need no data to be reported."""
    config = tmp_path / "only.yaml"
    config.write_text("epochs: 1\n")
    run = tmp_path / "runs" / "only"
    run.mkdir(parents=True)
    (run / "log.jsonl").write_text(json.dumps(
        {"epoch": 1, "train": {}, "val": result("linear", 32, 0.4, 0.6).scores}) + "\n")
    report = tmp_path / "docs"
    assert ablation.main([str(config), "--out", str(run.parent), "--report", str(report)]) == 0
    assert "| linear | 32 | 0.4000 | 0.6000 |" in (report / "code_size.md").read_text()
    assert "code_size.md" in capsys.readouterr().out
