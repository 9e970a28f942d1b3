"""TUM RGB-D folders: lists, cameras, truth, and their flaws."""

import logging
import os
import sys

import cv2
import numpy as np
import pytest
from support.pictures import HEIGHT, WIDTH, greys, small, write_pictures

from scenecode.core.errors import DataError, SourceError
from scenecode.networks.classes import NYU13, VOID
from scenecode.slam.records.trajectory import Trajectory, write_tum
from scenecode.slam.sources import open_source
from scenecode.slam.sources.formats import true_trajectory


def tum(folder):
    write_pictures(folder / "rgb", ["a.png", "b.png", "c.png"])
    (folder / "rgb.txt").write_text("# colour\n100.00 rgb/a.png\n100.10 rgb/b.png\n"
                                    "100.20 rgb/c.png\n")
    cv2.imwrite(str(folder / "d.png"), np.full((HEIGHT, WIDTH), 10000, np.uint16))
    (folder / "depth.txt").write_text("100.015 d.png\n100.15 d.png\n")
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, 0, 3] = 1, 2, 3
    write_tum(folder / "groundtruth.txt", Trajectory(np.array([99.99, 100.11, 100.15]), poses))
    return folder


def positions(frames):
    return [None if f.truth is None else float(f.truth.T_world_cam[0, 3]) for f in frames]


def test_tum_associates_depth_and_pose_in_time(tmp_path):
    source = open_source(str(tum(tmp_path)), small())
    frames = list(source)
    assert [f.timestamp for f in frames] == pytest.approx([100, 100.1, 100.2])
    assert source.fps == pytest.approx(10)
    assert frames[0].truth.depth.unique().tolist() == [2.0]
    assert positions(frames) == [1, 2, None] and frames[1].truth.depth is None
    assert len(true_trajectory(tmp_path)) == 2


@pytest.mark.parametrize("file, text", [
    (None, ""), ("depth.yaml", "depth_scale: 2500\n"), ("camera.json", '{"depth_unit": 0.0004}'),
    ("camera.txt", "depth_unit 0.0004\n")])
def test_the_unit_of_depth_is_the_users_or_stated_beside(tmp_path, file, text):
    """10000 is 2 m in TUM's unit, 4 m in one of 2500 steps."""
    folder = tum(tmp_path)
    if file is None:
        options = small(depth_scale=2500)
    else:
        (folder / file).write_text(text)
        options = small()
    frame = next(iter(open_source(str(folder), options)))
    assert frame.truth.depth.unique().tolist() == pytest.approx([4])


def test_a_unit_that_is_none_is_named(tmp_path):
    (tum(tmp_path) / "depth.yaml").write_text("depth_scale: metres\n")
    with pytest.raises(DataError, match="depth.yaml: depth_scale must be a positive number, got "):
        open_source(str(tmp_path), small())
    with pytest.raises(SourceError, match="depth_scale must be positive, got -1"):
        small(depth_scale=-1)


@pytest.mark.parametrize("listed", [True, False])
def test_labels_of_thirteen_classes(tmp_path, listed):
    """1 is a bed, 13 a window, 0 and everything else unknown; by list, or by name."""
    folder = tum(tmp_path)
    (folder / "labels13").mkdir()
    labels = np.full((HEIGHT, WIDTH), 13, np.uint8)
    labels[:, :WIDTH // 2] = 1
    labels[0], labels[1] = 0, 99
    cv2.imwrite(str(folder / "labels13" / ("other.png" if listed else "b.png")), labels)
    if listed:
        (folder / "labels.txt").write_text("100.101 labels13/other.png\n")
    truths = [frame.truth for frame in open_source(str(folder), small())]
    assert truths[0].labels is None and truths[1].classes == NYU13
    assert set(truths[1].labels.unique().tolist()) <= {0, 12, VOID}
    last = truths[1].labels[-1]
    assert (last[0], last[-1]) == (0, 12)


def test_tum_cameras_are_known_by_folder_name(tmp_path, caplog):
    folder = tum(tmp_path / "rgbd_dataset_freiburg3_desk")
    camera = next(iter(open_source(str(folder), small(intrinsics=None)))).camera
    assert camera.fx == pytest.approx(535.4 / 20)
    assert not caplog.text


@pytest.mark.parametrize("text", ["100.0\n", "then rgb/a.png\n", "nan rgb/a.png\n"])
def test_a_bad_list_is_named_with_its_line(tmp_path, text):
    (tum(tmp_path) / "rgb.txt").write_text(text)
    with pytest.raises(SourceError, match=r"rgb.txt, line \d"):
        open_source(str(tmp_path), small())


def test_a_listed_image_that_is_absent_is_skipped(tmp_path):
    (tum(tmp_path) / "rgb" / "b.png").unlink()
    source = open_source(str(tmp_path), small())
    assert [f.index for f in source] == [0, 2] and source.unreadable == 1


@pytest.mark.parametrize("text", [
    "100.00,rgb/a.png\n100.10,rgb/b.png\n",
    "100.00, rgb/a.png\n100.10 ,\trgb/b.png\n",
    "\ufeff# colour\r\n100.00 rgb/a.png\r\n100.10 rgb/b.png  # the second\r\n"])
def test_lists_of_other_tools_are_read(tmp_path, text):
    (tum(tmp_path) / "rgb.txt").write_bytes(text.encode())
    assert greys(open_source(str(tmp_path), small())) == [10, 20]


def test_names_with_blanks_commas_and_hashes_are_read(tmp_path):
    write_pictures(tmp_path, ["a b, c#1.png"])
    (tmp_path / "rgb.txt").write_text("100.00 a b, c#1.png\n")
    assert greys(open_source(str(tmp_path), small())) == [10]


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_listed_names_that_are_not_utf_8_are_read(tmp_path):
    (write_pictures(tmp_path, ["a.png"]) / "a.png").rename(os.fsdecode(
        os.fsencode(tmp_path) + b"/K\xfcche.png"))
    (tmp_path / "rgb.txt").write_bytes(b"# K\xfcche\n100.0 K\xfcche.png\n")
    assert greys(open_source(str(tmp_path), small())) == [10]


def test_images_are_taken_in_time_order_and_one_at_a_time(tmp_path, caplog):
    (tum(tmp_path) / "rgb.txt").write_text(
        "100.1 rgb/b.png\n100.0 rgb/a.png\n100.1 rgb/c.png\n")
    with caplog.at_level(logging.WARNING):
        frames = list(open_source(str(tmp_path), small()))
    assert greys(frames) == [10, 20] and positions(frames) == [1, 2]
    assert "not in time order" in caplog.text
    assert "rgb.txt, line 3: 'c.png' has the time of 'b.png'" in caplog.text


def test_listed_poses_stay_with_their_lines(tmp_path):
    (tum(tmp_path) / "groundtruth.txt").unlink()
    (tmp_path / "rgb.txt").write_text("2 rgb/c.png\n1 rgb/a.png\n1 rgb/b.png\n")
    (tmp_path / "truth_cam_poses.txt").write_text(
        "30 0 0 0 0 0 1\n10 0 0 0 0 0 1\n20 0 0 0 0 0 1\n")
    assert positions(open_source(str(tmp_path), small())) == [10, 30]


# -- units of time ----------------------------------------------------------------------------

@pytest.mark.parametrize("truth_unit", [1, 10 ** 9])
@pytest.mark.parametrize("first", [1403636579763555584, 0])
def test_nanoseconds_become_seconds_in_lists_and_truth(tmp_path, caplog, first, truth_unit):
    tum(tmp_path)
    ns = [first + 100_000_000 * i for i in range(3)]
    (tmp_path / "rgb.txt").write_text(
        "".join(f"{t} rgb/{name}.png\n" for t, name in zip(ns, "abc")))
    # a relative clock tells its unit by the images only
    unit = truth_unit if first else 10 ** 9
    dense = [(t + 1_000_000 * i) * unit // 10 ** 9 if unit == 10 ** 9
             else (t + 1_000_000 * i) / 10 ** 9 for t in ns for i in range(3)]
    (tmp_path / "groundtruth.txt").write_text(
        "".join(f"{t} {i // 3} 0 0 0 0 0 1\n" for i, t in enumerate(dense)))
    source = open_source(str(tmp_path), small())
    frames = list(source)
    assert source.fps == pytest.approx(10)
    assert [f.timestamp for f in frames] == pytest.approx([t / 1e9 for t in ns], abs=1e-6)
    assert positions(frames) == [0, 1, 2]
    assert "nanoseconds" in caplog.text


# -- flawed truth -----------------------------------------------------------------------------

def test_flawed_lines_of_the_truth_cost_their_poses_only(tmp_path, caplog):
    with (tum(tmp_path) / "groundtruth.txt").open("a") as file:
        file.write("100.2 0 0 0 0 0 0 2\n100.11 9 0 0 0 0 0 1\n1 2 3\nnonsense\n")
    with caplog.at_level(logging.WARNING):
        assert positions(open_source(str(tmp_path), small())) == [1, 2, None]
    assert "quaternion" in caplog.text and "4 lines are flawed" in caplog.text
    assert len(caplog.records) == 2


@pytest.mark.parametrize("depths", ["100.015 d.png\n100.015 d.png\n", "100.015,d.png\n"])
def test_flawed_depth_lists_do_not_stop_a_run(tmp_path, depths):
    (tum(tmp_path) / "depth.txt").write_text(depths)
    frames = list(open_source(str(tmp_path), small()))
    assert frames[0].truth.depth.unique().tolist() == [2.0] and len(frames) == 3


def test_a_depth_list_that_is_none_costs_the_depth_only(tmp_path, caplog):
    (tum(tmp_path) / "depth.txt").write_text("what is this\n")
    assert next(iter(open_source(str(tmp_path), small()))).truth.depth is None
    assert "depth.txt, line 1" in caplog.text


def test_depth_images_that_were_not_fetched_are_reported_in_one_line(tmp_path, caplog):
    tum(tmp_path)
    (tmp_path / "depth.txt").write_text("100.0 x.png\n100.1 y.png\n100.2 z.png\n")
    with caplog.at_level(logging.WARNING):
        frames = list(open_source(str(tmp_path), small()))
    assert [r.getMessage().split("; ")[1] for r in caplog.records] \
        == ["these frames go without true depth"]
    assert "3 of its 3 depth images are not there" in caplog.text
    assert positions(frames) == [1, 2, None]


def test_damaged_depth_images_are_reported_in_two_lines(tmp_path, caplog):
    (tum(tmp_path) / "depth.txt").write_text("100.0 d.png\n100.1 d.png\n100.2 d.png\n")
    (tmp_path / "d.png").write_bytes(b"junk")
    with caplog.at_level(logging.WARNING):
        list(open_source(str(tmp_path), small()))
    assert len(caplog.records) == 2 and "3 frames have no true depth" in caplog.text
