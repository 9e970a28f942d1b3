"""What is opened as what, and what is refused."""

from pathlib import Path

import pytest
import torch
from support.pictures import small, write_pictures

from scenecode.core.errors import ResultError, SourceError
from scenecode.slam.sources import FORMATS, SourceOptions, open_source
from scenecode.slam.sources.formats import markdown_table, true_trajectory

ROOT = Path(__file__).parents[3]


def test_the_documentation_lists_every_form():
    assert markdown_table() in (ROOT / "docs" / "inputs.md").read_text(encoding="utf-8")


def test_every_name_is_a_name_of_one_form():
    names = [form.name for form in FORMATS]
    assert len(set(names)) == len(names)


def test_nothing_readable_nothing_there_and_nothing_known(tmp_path):
    with pytest.raises(SourceError, match="no images"):
        open_source(str(tmp_path), small())
    with pytest.raises(SourceError, match="no such file"):
        open_source(str(tmp_path / "absent"), small())
    (tmp_path / "a.png").write_bytes(b"junk")
    with pytest.raises(SourceError, match="single image"):
        open_source(str(tmp_path / "a.png"), small())
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(SourceError, match="not a video"):
        open_source(str(tmp_path / "notes.txt"), small())


@pytest.mark.parametrize("spec", ["~nobody-of-this-name/video.mp4", "x" * 5000])
def test_impossible_paths_are_refused(spec):
    with pytest.raises(SourceError, match="no such file|cannot read"):
        open_source(spec, small())


def test_the_error_for_a_folder_of_folders_names_one_to_take(tmp_path):
    write_pictures(tmp_path / "seq-01", ["0.png"])
    with pytest.raises(SourceError, match="seq-01"):
        open_source(str(tmp_path), small())


def test_a_folder_without_true_poses_is_no_ground_truth(tmp_path):
    write_pictures(tmp_path, ["0.png"])
    with pytest.raises(ResultError, match="no ground truth in this folder.*EuRoC"):
        true_trajectory(tmp_path)


def test_a_number_is_a_webcam_unless_it_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="webcam 99"):
        open_source("99", small())
    write_pictures(tmp_path / "99", ["0.png"])
    assert open_source("99", small()).length == 1


@pytest.mark.parametrize("spec", ["rooms:", "rooms:x", "rooms:1:2:3", "rooms:-1", "rooms:1:0"])
def test_a_malformed_room_is_refused(spec):
    with pytest.raises(SourceError, match="rooms"):
        open_source(spec)


def test_a_room_has_its_own_camera():
    with pytest.raises(SourceError, match="leave out intrinsics"):
        open_source("rooms:1:5", small())


def test_a_room_gives_the_requested_frames():
    source = open_source("rooms:3:9", SourceOptions(width=32, height=24, max_frames=2))
    frames = list(source)
    assert source.length == len(frames) == 2
    assert frames[0].image.shape == (3, 24, 32)
    assert frames[0].truth.depth.shape == (24, 32)
    # they are the first of the whole walk
    whole = open_source("rooms:3:9", SourceOptions(width=32, height=24))
    assert torch.equal(frames[1].truth.T_world_cam, whole.frame(1).truth.T_world_cam)
