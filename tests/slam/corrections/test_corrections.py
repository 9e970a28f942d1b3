"""What a user states about labels changes every keyframe that sees the place, is kept in the map
file, and can be undone to the last bit."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.walks import SMALL, Playback, small_config

from scenecode.core.errors import CorrectionError
from scenecode.optim.solvers.gauss_newton import GaussNewtonConfig, minimise
from scenecode.slam.corrections.correction import Correction, CorrectionList
from scenecode.slam.corrections.regions import Region
from scenecode.slam.fusion.code_fusion import (
    CodedLogits,
    CodeFusionConfig,
    KeptLabels,
    LabelFactor,
    SemanticAgreement,
)
from scenecode.slam.mapfile.storage.reading import check
from scenecode.slam.output.result_folder import load_result
from scenecode.slam.output.saved_labels import MapLabels, open_labels
from scenecode.slam.system import System

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = SMALL


@pytest.fixture(scope="module")
def saved(small_walk, tmp_path_factory):
    """A map file and a result folder of one walk, and the network that made them."""
    folder = tmp_path_factory.mktemp("corrections")
    predictor = ExactPredictor(small_walk)
    System(small_config(), predictor, out=folder / "result",
           map_file=folder / "room.map").run(Playback(small_walk))
    return folder / "room.map", folder / "result", predictor


@pytest.fixture
def path(saved, tmp_path):
    copy = tmp_path / "room.map"
    copy.write_bytes(saved[0].read_bytes())
    return copy


def labels_of(editor):
    return {view.frame_index: view.labels for view in editor.snapshot.keyframes}


def changed(before, after):
    return {index for index in before if not np.array_equal(before[index], after[index])}


def other_class(editor, frame_index, at):
    """A class that the pixel does not have."""
    label = labels_of(editor)[frame_index][at[1], at[0]]
    return editor.snapshot.classes.names[(int(label) + 1) % len(editor.snapshot.classes)]


def test_a_click_changes_other_keyframes_and_undo_restores_every_bit(saved, path):
    editor = open_labels(path, saved[2])
    assert isinstance(editor, MapLabels)
    before, cloud = labels_of(editor), editor.snapshot.cloud.labels
    first, at = editor.snapshot.keyframes[0].frame_index, (WIDTH // 2, HEIGHT // 2)
    name = other_class(editor, first, at)
    made = editor.correct(first, at, name)
    after = labels_of(editor)
    assert after[first][at[1], at[0]] == made.label
    assert len(changed(before, after)) > 1
    assert made.number in editor.expressed
    editor.undo()
    assert not changed(before, labels_of(editor))
    assert np.array_equal(editor.snapshot.cloud.labels, cloud)
    editor.redo()
    assert not changed(after, labels_of(editor))


def test_corrections_are_in_the_file_and_can_be_removed(saved, path):
    editor = open_labels(path, saved[2])
    before = labels_of(editor)
    first, last = (editor.snapshot.keyframes[n].frame_index for n in (0, -1))
    editor.correct(first, (30, 40), other_class(editor, first, (30, 40)), radius=5)
    wrong = editor.correct(last, (60, 50), other_class(editor, last, (60, 50)), radius=5)
    assert len(check(path).corrections) == 2
    again = open_labels(path, saved[2])
    assert again.corrections == editor.corrections
    assert not changed(labels_of(editor), labels_of(again))
    again.remove(wrong.number)
    again.remove(1)
    assert not changed(before, labels_of(again)) and check(path).corrections == ()


def test_corrections_survive_a_run_that_continues_the_map(saved, path, small_walk):
    editor = open_labels(path, saved[2])
    first = editor.snapshot.keyframes[0].frame_index
    made = editor.correct(first, (30, 40), other_class(editor, first, (30, 40)), radius=5)
    with System(small_config(), saved[2], map_file=path) as system:
        assert system.corrections == (made,)
        for frame in small_walk[:20]:
            system.process(frame)
    assert [entry.number for entry in check(path).corrections] == [1]


@pytest.mark.parametrize("threaded", [False, True])
def test_labels_are_corrected_while_mapping_runs(saved, tmp_path, small_walk, threaded):
    path = tmp_path / "live.map"
    with System(small_config(), saved[2], map_file=path, threaded=threaded) as system:
        for frame in small_walk[:40]:
            system.process(frame)
        while not system.snapshot.keyframes:
            time.sleep(0.01)
        first = system.snapshot.keyframes[0].frame_index
        made = system.correct(first, (30, 40), "books", radius=6)
        for frame in small_walk[40:]:
            system.process(frame)
    view = system.snapshot.keyframes[0]
    assert view.labels[40, 30] == made.label
    assert [entry.label for entry in check(path).corrections] == [made.label]
    with pytest.raises(CorrectionError, match="closed"):
        system.undo()


def test_a_result_folder_gets_overrides(saved):
    editor = open_labels(saved[1])
    before = labels_of(editor)
    first = editor.snapshot.keyframes[0].frame_index
    name = other_class(editor, first, (30, 40))
    made = editor.correct(first, (30, 40), name, radius=6)
    assert made.kind == "override" and len(changed(before, labels_of(editor))) >= 1
    loaded = {view.frame_index: view.labels for view in load_result(saved[1]).keyframes}
    assert not changed(labels_of(editor), loaded)
    editor.undo()
    assert not changed(before, labels_of(open_labels(saved[1])))


def test_what_cannot_be_done_is_said(saved):
    editor = open_labels(saved[1])
    first = editor.snapshot.keyframes[0].frame_index
    with pytest.raises(CorrectionError, match="no class of this map; choose one of bed, books"):
        editor.correct(first, (3, 3), "bird")
    with pytest.raises(CorrectionError, match=f"its keyframes are {first}, "):
        editor.correct(7777, (3, 3), "bed")
    with pytest.raises(CorrectionError, match="outside the image"):
        editor.correct(first, (WIDTH, 3), "bed")
    with pytest.raises(CorrectionError, match="no correction 9"):
        editor.remove(9)


@pytest.mark.parametrize("odds, follows", [(0.3, True), (2.0, False)])
def test_a_stated_label_moves_uncertain_labels_and_not_confident_ones(odds, follows):
    # one code raises the second of two classes everywhere; the region is three pixels of a hundred
    zero = torch.tensor([[odds, 0.0]]).repeat(100, 1)
    J = torch.tensor([0.0, 3.0])[None, :, None].repeat(100, 1, 1)
    pixels = CodedLogits(view=0, logits_zero=zero, logits_J_code=J)
    region = CodedLogits(view=0, logits_zero=zero[:3], logits_J_code=J[:3])
    problem = SemanticAgreement(
        [], 1, 1, CodeFusionConfig(), [LabelFactor(logits=region, label=1, weight=20.0)],
        [KeptLabels(logits=pixels, probabilities=torch.softmax(zero, -1),
                    weights=torch.ones(100))])
    code = minimise(torch.zeros(1, 1), problem.linearise, problem.retract,
                    GaussNewtonConfig()).state
    assert (pixels.probabilities(code[0])[0].argmax(1) == int(follows)).all()


def test_undo_and_redo_go_in_order_and_a_new_correction_ends_redo():
    region = Region.disc((3, 3), 2, 8, 6)
    corrections = CorrectionList()
    for label in range(3):
        corrections = corrections.add(Correction(number=0, keyframe=0, region=region, label=label))
    assert [entry.number for entry in corrections.entries] == [1, 2, 3]
    twice = corrections.undo()[0].undo()[0]
    assert [entry.label for entry in twice.active] == [0]
    assert twice.redo()[1].label == 1
    assert twice.redo()[0].redo()[0] == corrections
    added = twice.add(replace(corrections.entries[0], label=5))
    with pytest.raises(CorrectionError, match="no correction to redo"):
        added.redo()


def test_regions_are_the_pixels_that_they_were_made_of():
    mask = np.random.default_rng(0).random((6, 8)) < 0.4
    for pixels in (mask, ~mask, np.zeros_like(mask), np.ones_like(mask)):
        assert np.array_equal(Region.of_mask(pixels).mask, pixels)
        assert len(Region.of_mask(pixels)) == pixels.sum()
    assert Region.polygon([(1, 1), (5, 1), (5, 4), (1, 4)], 8, 6).mask.sum() == 20
    with pytest.raises(ValueError, match="do not fill"):
        Region(width=8, height=6, runs=(3, 4))
