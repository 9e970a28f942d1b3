"""The comparison of label fusion methods: the contract, data, interrupts, pictures."""

import json

import cv2
import numpy as np
import pytest
import torch
from support.scenenet_set import write_set

from scenecode.cli.main import main
from scenecode.core.errors import DataError
from scenecode.networks.data.rooms.images import FIRST_TRAINING_SEED
from scenecode.slam.benchmarks.fusion_evaluation import FusionScores
from scenecode.slam.benchmarks.fusion_scenes import (
    REPORTED_SEED,
    TUNING_SEED,
    FolderTrajectories,
    RoomTrajectories,
    motion_statistics,
)
from scenecode.slam.fusion.label_fusion import METHODS

CONTRACT = {"none", "multiplication", "average", "average_along_surfaces", "code",
            "code_alone", "code_alone_without_prior", "code_without_prior"}
FEW_ITERATIONS = ["--set", "code.gauss_newton.iterations=2", "--set", "surfaces.offsets=[1, 2]"]
FAST = ["--methods", "none", "average", "code", "--views", "1", "2", *FEW_ITERATIONS]


@pytest.fixture
def evaluate(tiny_weights, capsys):
    """``scenecode evaluate fusion --json`` with the tiny network."""
    def call(*arguments):
        status = main(["evaluate", "fusion", "--json", "--model", str(tiny_weights), *arguments])
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else None, err
    return call


@pytest.mark.slow
def test_json_has_the_agreed_keys(evaluate):
    status, result, _ = evaluate("--references", "2", "--views", "2", "1", *FEW_ITERATIONS)
    assert status == 0 and list(result["views"]) == ["1", "2"]
    for methods in result["views"].values():
        assert CONTRACT <= methods.keys() == METHODS.keys()
        for scores in methods.values():
            assert scores.keys() == {"miou", "pixel_accuracy", "class_accuracy"}
            assert all(0 <= value <= 1 for value in scores.values())
    assert result["references"] == 2 and result["trajectories"] == 1
    one = result["views"]["1"]
    assert one["average"] == one["multiplication"] == one["none"] == result["views"]["2"]["none"]
    motion = result["motion"]["consecutive"]
    assert 0 < motion["mean_m"] <= motion["max_m"] and 0 < motion["mean_deg"] <= motion["max_deg"]


@pytest.mark.slow
def test_a_run_goes_on_from_its_cache_and_only_with_the_same_settings(evaluate, tmp_path,
                                                                      monkeypatch):
    fast = [*FAST, "--references", "2", "--cache", str(tmp_path)]
    _, first, _ = evaluate(*fast)
    rendered = []
    groups = RoomTrajectories.groups
    monkeypatch.setattr(RoomTrajectories, "groups",
                        lambda data, index: rendered.append(index) or groups(data, index))
    _, again, _ = evaluate(*fast)
    assert again == first and not rendered
    _, more, _ = evaluate(*FAST, "--references", "4", "--cache", str(tmp_path))
    assert rendered == [1] and more["references"] == 4
    evaluate(*fast, "--set", "code.sigma=1")
    assert rendered == [1, 0]


@pytest.mark.slow
def test_an_interrupt_prints_what_there_is(evaluate, monkeypatch):
    groups = RoomTrajectories.groups

    def impatient(data, index):
        if index == 1:
            raise KeyboardInterrupt
        return groups(data, index)

    monkeypatch.setattr(RoomTrajectories, "groups", impatient)
    status, result, err = evaluate(*FAST, "--references", "6")
    assert status == 0 and result["references"] == 2 and "after 1 of 3 trajectories" in err


@pytest.mark.slow
def test_rooms_are_unseen_and_deterministic():
    assert TUNING_SEED + 5_000 < REPORTED_SEED and REPORTED_SEED + 10_000 < FIRST_TRAINING_SEED
    one, other = (RoomTrajectories(3, 3, 2, 41_000, 64, 48).groups(1) for _ in range(2))
    assert [g.trajectory for g in one] == ["rooms:41001"] * 2
    for a, b in zip(one, other):
        assert [f.index for f in a.frames] == [f.index for f in b.frames] and len(a.frames) == 3
        assert all(torch.equal(x.image, y.image) for x, y in zip(a.frames, b.frames))
    # the second reference belongs to the second half of the walk
    assert one[0].frames[-1].index < 150 <= one[1].frames[0].index


def test_a_folder_of_trajectories_is_read(evaluate, tmp_path):
    write_set(tmp_path, views=4)
    status, result, _ = evaluate(*FAST, "--data", str(tmp_path / "val"), "--references", "4")
    assert status == 0 and result["references"] == 4 and result["trajectories"] == 2
    assert result["motion"]["consecutive"]["mean_m"] == pytest.approx(0.5)
    sequence = FolderTrajectories(tmp_path / "val" / "0" / "7", 2, 2, stride=3)
    assert [[f.index for f in g.frames] for g in sequence.groups(0)] == [[0, 3]]


def test_folders_without_what_it_takes_are_named(evaluate, tmp_path):
    assert evaluate("--data", str(tmp_path))[0] == 1
    status, _, err = evaluate("--data", str(tmp_path / "absent"))
    assert status == 1 and "no such folder" in err
    write_set(tmp_path, views=2)
    with pytest.raises(DataError, match="2 images, a group of views needs 4"):
        FolderTrajectories(tmp_path / "val", 4, 1).groups(0)


@pytest.mark.parametrize("arguments", [["--references", "0"], ["--views", "0"],
                                       ["--set", "code.sigm=1"], ["--set", "surfaces.plane=0"]])
def test_settings_that_mean_nothing_are_refused(evaluate, arguments):
    status, _, err = evaluate(*arguments)
    assert status == 1 and "scenecode: error" in err


@pytest.mark.slow
def test_pictures_have_a_column_for_each_view(evaluate, tmp_path):
    evaluate("--methods", "none", "--views", "2", "--references", "2", *FEW_ITERATIONS,
             "--pictures", str(tmp_path / "pages"))
    pages = sorted((tmp_path / "pages").iterdir())
    assert [p.name for p in pages] == ["000.png", "001.png"]
    page = cv2.imread(str(pages[0]))
    assert page.shape[1] == 2 * 64 and page.shape[0] % 64 == 0 and len(np.unique(page)) > 20


@pytest.mark.slow
def test_the_table_is_shown_to_people(tiny_weights, capsys):
    assert main(["evaluate", "fusion", "--model", str(tiny_weights), "--references", "2",
                 *FAST]) == 0
    out = capsys.readouterr().out
    assert "2 references from 1 trajectories" in out and "code" in out and "degrees" in out


def test_motion_is_against_the_view_before_and_against_the_reference():
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[1:, 0, 3] = 0.3, 0.4
    poses[2, :2, :2] = [[0, -1], [1, 0]]
    motion = motion_statistics([poses])
    assert motion["consecutive"]["mean_m"] == pytest.approx(0.2)
    assert motion["reference"]["max_m"] == pytest.approx(0.4)
    assert motion["consecutive"]["max_deg"] == pytest.approx(90)
    assert motion["reference"]["mean_deg"] == pytest.approx(45)
    assert motion_statistics([poses[:1]]) == {}


def test_counts_survive_the_file():
    scores = FusionScores(3, poses=[np.eye(4)[None]], trajectories=1)
    scores.confusion(2, "code").add(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 2]))
    again = FusionScores.from_json(json.loads(json.dumps(scores.to_json())), 3)
    assert again.result() == scores.result()
    assert again.result()["views"]["2"]["code"]["pixel_accuracy"] == pytest.approx(2 / 3)
