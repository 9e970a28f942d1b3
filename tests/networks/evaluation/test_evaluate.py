"""``evaluate model``: what is counted, what is printed and the page of pictures."""

import json
import re
from dataclasses import replace
from math import log

import cv2
import numpy as np
import pytest
import torch

import scenecode.networks.evaluation.scored_data
from scenecode.cli.main import main
from scenecode.core.errors import DataError
from scenecode.core.titles import TITLE_HEIGHT
from scenecode.networks.classes import NYU13, VOID
from scenecode.networks.data.rooms.images import RoomsImages, ViewsConfig
from scenecode.networks.evaluation.comparison import Comparison, compare
from scenecode.networks.evaluation.evaluate import SCORES, Evaluation, evaluate, evaluate_model
from scenecode.networks.evaluation.pictures import prediction_sheet, relative_entropy
from scenecode.networks.families.network import Answer
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.inference.checkpoint import save_checkpoint
from scenecode.optim.geometry.proximity import proximity_from_depth

SIZE = 64


@pytest.fixture(scope="module")
def rooms():
    return RoomsImages(ViewsConfig(rooms=2, views_per_room=1, first_seed=7_000, width=SIZE,
                                   height=SIZE))


def tiny_model(**changes) -> SceneCode:
    torch.manual_seed(0)
    values = dict(width=SIZE, height=SIZE, depth_code=3, semantic_code=2,
                  decoder_channels=(8, 8, 8, 8), recognition_channels=(4, 4)) | changes
    return SceneCode(SceneCodeConfig(**values), NYU13).eval()


@pytest.fixture
def command(rooms, tmp_path, monkeypatch):
    """``scenecode evaluate model`` with a tiny model on two rooms."""
    monkeypatch.setattr(scenecode.networks.evaluation.scored_data, "open_dataset",
                        lambda *_: rooms)

    def call(*arguments, **model):
        save_checkpoint(tmp_path / "m.safetensors", tiny_model(**model), {})
        return main(["evaluate", "model", "--model", str(tmp_path / "m.safetensors"),
                     "--device", "cpu", *map(str, arguments)])
    return call


def answer(prox, labels, prox_b=None, confidence: float = 20.0) -> Answer:
    one_hot = torch.nn.functional.one_hot(labels.long(), len(NYU13)).permute(2, 0, 1)
    return Answer(average_depth=2.0, prox=prox, prox_b=prox_b,
                  logits=confidence * one_hot.float())


def test_right_answers_score_right_and_wrong_ones_wrong(rooms):
    comparison = compare(tiny_model(), rooms[0])
    sample = comparison.sample
    labels = sample.labels.clone().masked_fill(sample.labels == VOID, 0)
    prox_truth = proximity_from_depth(sample.depth, 2.0)
    zero = answer(prox_truth + 0.2, (labels + 1) % 13, torch.full_like(prox_truth, 0.2))
    evaluation = Evaluation(NYU13)
    evaluation.add(replace(comparison, prox_truth=prox_truth, answers={
        "zero_code": zero, "encoded": answer(prox_truth, labels)}))
    result = evaluation.to_json()
    wrong, right = result["zero_code"], result["encoded"]
    assert tuple(wrong) == tuple(right) == SCORES
    for name in ("miou", "pixel_accuracy", "class_accuracy", "delta1", "delta2", "delta3"):
        assert right[name] == 1 > wrong[name]
    for name in ("abs_rel", "sq_rel", "rmse_m", "rmse_log", "si_log", "proximity_error"):
        assert right[name] == pytest.approx(0, abs=1e-5) and wrong[name] > 0.02
    present = {name for name, row in result["classes"].items() if row["share"]}
    assert sum(row["share"] for row in result["classes"].values()) == pytest.approx(1)
    for name, row in result["classes"].items():
        expected = (1, 0) if name in present else (None, None)
        assert (row["encoded"]["iou"], row["zero_code"]["accuracy"]) == expected
    depth = result["calibration"]["zero_code"]["depth"]
    assert depth["mean_scaled_error"] == pytest.approx(1, abs=0.02)
    assert depth["coverage"]["0.5"] == 0 and depth["coverage"]["0.99"] == pytest.approx(1, abs=.02)
    sure = {kind: result["calibration"][kind]["probabilities"]
            for kind in ("zero_code", "encoded")}
    assert sure["encoded"]["ece"] < 1e-6 < 0.99 < sure["zero_code"]["ece"]
    assert sure["zero_code"]["nll"] == pytest.approx(20, rel=0.01)


@pytest.mark.slow
def test_json_is_complete_and_alone_on_standard_output(command, capsys):
    assert command("--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result) == ["zero_code", "encoded", "classes", "calibration"]
    assert {"miou", "pixel_accuracy", "class_accuracy", "abs_rel", "delta1", "rmse_m",
            "proximity_error"} <= set(result["zero_code"]) == set(result["encoded"])
    assert tuple(result["classes"]) == NYU13.names
    assert set(result["calibration"]["zero_code"]) == {"depth", "probabilities"}
    assert set(result["calibration"]["encoded"]) == {"probabilities"}


@pytest.mark.slow
def test_table_has_scores_classes_and_calibration(command, capsys):
    assert command() == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("si_log", "furniture", "mean |error| / b", "encoded"))


def test_both_functions_agree_and_lower_precision_hardly_matters(rooms, command, capsys):
    model = tiny_model()
    assert evaluate_model(model, rooms) == evaluate(model, rooms).scores()
    assert command("--json", "--precision", "bfloat16") == 0
    low = json.loads(capsys.readouterr().out)["zero_code"]
    assert low["rmse_m"] == pytest.approx(evaluate_model(model, rooms)["zero_code"]["rmse_m"],
                                          abs=0.02)


def test_unfit_data_is_refused(rooms):
    model = tiny_model(width=96)
    with pytest.raises(DataError, match="the model takes 96x64"):
        evaluate(model, rooms)

    class Nothing:
        classes = NYU13

        def __len__(self):
            return 0

    with pytest.raises(DataError, match="no images"):
        evaluate(model, Nothing())


@pytest.mark.slow
def test_page_shows_answers_reliability_and_what_the_family_draws(command, tmp_path, capsys):
    folder = tmp_path / "new" / "page"
    assert command("--pictures", folder, "--json") == 0
    assert "zero_code" in json.loads(capsys.readouterr().out)
    page = (folder / "index.html").read_text()
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert pictures[:2] == ["predictions.png", "reliability.png"]
    assert pictures[2:] == [f"{code}_jacobians_{image}.png" for image in (0, 1)
                            for code in ("semantic", "depth")]
    for name in pictures:
        assert cv2.imread(str(folder / name)) is not None
    assert {p.name for p in folder.iterdir()} == {*pictures, "index.html"}
    assert "furniture" in page and "rmse_log" in page


@pytest.mark.slow
def test_pictures_need_a_folder(command, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert command("--pictures", tmp_path / "file") == 1
    assert "give another --pictures DIR" in capsys.readouterr().err


def test_sheet_shows_truth_next_to_predictions(rooms):
    comparison = compare(tiny_model(), rooms[0])
    columns = ("image", "depth, true", "depth, zero code", "depth, encoded", "depth uncertainty",
               "labels, true", "labels, zero code", "labels, encoded", "label entropy")
    sheet = prediction_sheet([comparison], NYU13)
    assert sheet.shape == (TITLE_HEIGHT + SIZE, SIZE * len(columns), 3)

    def column(name):
        left = SIZE * columns.index(name)
        return sheet[TITLE_HEIGHT:, left:left + SIZE]

    assert np.array_equal(column("labels, true"), NYU13.paint(comparison.sample.labels))
    assert np.array_equal(column("labels, encoded"),
                          NYU13.paint(comparison.answers["encoded"].labels))
    assert not np.array_equal(column("depth, true"), column("depth, zero code"))


def test_answers_without_depth_or_labels_are_not_scored_but_shown(rooms):
    comparison = compare(tiny_model(), rooms[0])
    full = comparison.of_image
    parts = {"of_depth": replace(full, logits=None), "of_labels": replace(full, prox=None)}
    comparison = replace(comparison, answers=parts)
    evaluation = Evaluation(NYU13)
    evaluation.add(comparison)
    scores = evaluation.scores()
    assert scores["of_depth"]["miou"] is None and scores["of_depth"]["abs_rel"] > 0
    assert scores["of_labels"]["abs_rel"] is None and scores["of_labels"]["miou"] >= 0
    assert list(evaluation.calibration()["of_labels"]) == ["probabilities"]
    assert prediction_sheet([comparison], NYU13).shape[1] == 9 * SIZE


def test_depth_beyond_the_range_of_the_network_does_not_count(rooms, monkeypatch):
    model = tiny_model()
    assert (compare(model, rooms[0]).sample.depth > 2).any()
    near = replace(model.geometry, max_depth=2.0)
    monkeypatch.setattr(SceneCodeConfig, "geometry", near)
    depth = compare(model, rooms[0]).sample.depth
    assert 0 < depth.max() <= 2


def test_entropy_is_a_part_of_the_largest():
    logits = torch.zeros(4, 1, 3)
    logits[0, 0, 1], logits[:2, 0, 2] = 100, 100
    assert relative_entropy(logits)[0].tolist() == pytest.approx([1, 0, log(2) / log(4)], abs=1e-5)


def test_nothing_labelled_is_not_perfect(rooms):
    comparison: Comparison = compare(tiny_model(), rooms[0])
    blank = replace(comparison.sample, labels=torch.full((SIZE, SIZE), VOID, dtype=torch.uint8))
    evaluation = Evaluation(NYU13)
    evaluation.add(replace(comparison, sample=blank))
    assert evaluation.scores()["zero_code"]["miou"] is None
    assert all(row["zero_code"]["iou"] is None for row in evaluation.by_class().values())
