"""``pingpong:SOURCE:N``: what is shown when, and what is refused."""

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from support.calibrations import measured_camera
from support.pictures import greys, picture, small, write_picture, write_pictures

from scenecode.core.errors import SourceError
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.calibration import opening
from scenecode.slam.calibration.opening import open_calibrated
from scenecode.slam.sources import SourceOptions, open_source


@pytest.fixture
def folder(tmp_path):
    return write_pictures(tmp_path / "pictures", [f"{i}.png" for i in range(4)])


def test_images_go_to_and_fro_and_the_turning_one_is_shown_once(folder):
    source = open_source(f"pingpong:{folder}:3", small(fps=10))
    frames = list(source)
    assert source.length == 10 == len(frames) and source.fps == 10 and not source.is_live
    assert greys(frames) == [10, 20, 30, 40, 30, 20, 10, 20, 30, 40]
    assert [f.index for f in frames] == list(range(10))
    assert [f.timestamp for f in frames] == pytest.approx([i / 10 for i in range(10)])
    assert greys(source) == greys(frames)  # it can be iterated again


def test_one_pass_is_the_source_itself(folder):
    once, plain = open_source(f"pingpong:{folder}:1", small()), open_source(str(folder), small())
    assert [(f.index, f.timestamp) for f in once] == [(f.index, f.timestamp) for f in plain]
    assert once.length == plain.length and once.camera_is_stated == plain.camera_is_stated


def test_uneven_stamps_are_mirrored(tmp_path):
    write_pictures(tmp_path / "rgb", ["a.png", "b.png", "c.png"])
    (tmp_path / "rgb.txt").write_text("5.0 rgb/a.png\n5.1 rgb/b.png\n5.4 rgb/c.png\n")
    frames = list(open_source(f"pingpong:{tmp_path}:3", small()))
    assert [f.timestamp for f in frames] == pytest.approx([5.0, 5.1, 5.4, 5.7, 5.8, 5.9, 6.2])


def test_stride_is_the_sources_and_max_frames_counts_all_passes(folder):
    source = open_source(f"pingpong:{folder}:3", small(stride=2, max_frames=4))
    frames = list(source)
    assert source.length == 4 and greys(frames) == [10, 30, 10, 30]
    assert [f.index for f in frames] == [0, 2, 4, 6]


def test_truth_stays_with_its_image():
    once = list(open_source("rooms:3:4", SourceOptions(width=64, height=48)))
    source = open_source("pingpong:rooms:3:4:2", SourceOptions(width=64, height=48))
    frames = list(source)
    assert source.length == 7
    for frame, same in zip(frames, [*once, *once[-2::-1]], strict=True):
        assert torch.equal(frame.image, same.image)
        assert torch.equal(frame.truth.T_world_cam, same.truth.T_world_cam)
        assert torch.equal(frame.truth.depth, same.truth.depth)
    assert open_calibrated("pingpong:rooms:3:4:2", small(intrinsics=None)).length == 7


def test_a_video_goes_back_image_by_image(tmp_path):
    path = tmp_path / "a:b.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 20.0, (64, 48))
    for grey in (20, 60, 100):
        writer.write(picture(grey))
    writer.release()
    source = open_source(f"pingpong:{path}:4", small())
    frames = list(source)
    assert source.length == 9
    assert greys(frames) == pytest.approx([20, 60, 100, 60, 20, 60, 100, 60, 20], abs=4)
    assert torch.equal(frames[0].image, frames[4].image)  # nothing is lost by keeping it
    assert np.diff([f.timestamp for f in frames]) == pytest.approx(np.full(8, 1 / 20), abs=1e-3)


def test_images_that_cannot_be_read_leave_gaps(folder, caplog):
    write_picture(folder / "1.png", picture(20, 32, 24))
    source = open_source(f"pingpong:{folder}:2", small())
    frames = itertools.islice(source, 100)
    seen = [next(frames)]
    assert source.unreadable <= 1
    seen += frames
    assert greys(seen) == [10, 30, 40, 30, 10] and [f.index for f in seen] == [0, 2, 3, 4, 6]
    assert source.unreadable == 1


def test_an_image_that_vanishes_is_skipped_and_counted(folder):
    source = open_source(f"pingpong:{folder}:20", small())
    frames = iter(source)
    seen = list(itertools.islice(frames, 12))  # past the first pass, read-ahead included
    (folder / "1.png").unlink()
    seen += frames
    assert source.unreadable >= 10 and greys(seen).count(20) + source.unreadable == 20


def test_closing_ends_it_within_the_frames_that_are_decoded(folder):
    source = open_source(f"pingpong:{folder}:1000", small())
    frames = iter(source)
    next(frames)
    source.close()
    assert len(list(frames)) < 10


def test_the_lens_is_measured_on_one_pass(folder, monkeypatch):
    lengths = []

    def measured(recording, is_focal_stated):
        lengths.append(len(list(recording)))
        lens = BrownConrady(k1=-0.1, k2=0.0)
        return measured_camera(replace(recording.original, distortion=lens))

    monkeypatch.setattr(opening, "measure_camera", measured)
    source = open_calibrated(f"pingpong:{folder}:50", SourceOptions(width=32, height=24))
    assert lengths == [2]  # every second of four images
    assert source.original.distortion == BrownConrady(k1=-0.1, k2=0.0)
    assert source.length == 4 + 49 * 3


@pytest.mark.parametrize("spec", ["pingpong:", "pingpong:3", "pingpong:video.mp4:",
                                  "pingpong:video.mp4:0", "pingpong:video.mp4:x",
                                  "pingpong:video.mp4"])
def test_the_spelling_is_checked(spec):
    with pytest.raises(SourceError, match="must be pingpong:SOURCE:N"):
        open_source(spec)


@pytest.mark.parametrize("camera", ["0", "rtsp://host/stream"])
def test_live_cameras_are_refused_unopened(camera):
    with pytest.raises(SourceError, match="a camera cannot be played to and fro"):
        open_source(f"pingpong:{camera}:3")


def test_what_is_not_there_is_told_as_for_the_source_itself(tmp_path):
    with pytest.raises(SourceError, match="no such file"):
        open_source(f"pingpong:{tmp_path / 'absent'}:3")
