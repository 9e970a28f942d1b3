import pytest

from scenecode.core.errors import DataError
from scenecode.networks.families.scenecode.family import FAMILY
from scenecode.networks.training.log import TrainingLog, save_curves

VAL = {kind: {"miou": 0.4, "proximity_error": 0.05, "abs_rel": 0.2}
       for kind in ("zero_code", "encoded")}


def test_lines_of_epochs_that_were_not_finished_are_dropped(tmp_path):
    path = tmp_path / "log.jsonl"
    log = TrainingLog(path, 0)
    for epoch in (1, 2, 3):
        log.add(epoch, {"loss": 1 / epoch}, VAL)
    resumed = TrainingLog(path, 2)
    assert [r["epoch"] for r in resumed.records] == [1, 2]
    resumed.add(3, {"loss": 0.25}, VAL)
    assert TrainingLog(path, 3).records == resumed.records
    assert TrainingLog(path, 0).records == [] and path.read_text() == ""


@pytest.mark.parametrize("text", ["{", "3\n", '{"epoch": 1}\n'])
def test_a_log_that_cannot_be_read_is_named(tmp_path, text):
    path = tmp_path / "log.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match="log.jsonl: not a training log.*delete it"):
        TrainingLog(path, 1)


@pytest.mark.slow
def test_curves_show_what_was_logged(tmp_path):
    """The picture changes with the scores; a model without codes has no encoded losses."""
    train = {"loss": 3.0, "depth_zero": 0.1, "semantic_zero": 2.0}
    records = [{"epoch": 1, "train": train, "val": VAL}, {"epoch": 2, "train": train, "val": VAL}]
    save_curves(tmp_path / "a.png", records, FAMILY.loss_curves)
    records[1] = records[1] | {"val": VAL | {"encoded": VAL["encoded"] | {"miou": 0.9}}}
    save_curves(tmp_path / "b.png", records, FAMILY.loss_curves)
    pictures = [(tmp_path / name).read_bytes() for name in ("a.png", "b.png")]
    assert pictures[0] != pictures[1] and all(p.startswith(b"\x89PNG") for p in pictures)
