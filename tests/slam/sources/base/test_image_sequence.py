"""Folders of images: order, stamps, names, sizes, ranges of values, and what cannot be read."""

import logging
import os
import sys

import cv2
import numpy as np
import pytest
import torch
from support.pictures import (
    HEIGHT,
    WIDTH,
    greys,
    picture,
    small,
    write_picture,
    write_pictures,
)

from scenecode.core.errors import SourceError
from scenecode.slam.sources import open_source


def test_a_folder_is_read_in_natural_order_at_30_fps(tmp_path):
    write_pictures(tmp_path, ["im1.png", "im2.png", "im10.png"])
    source = open_source(str(tmp_path), small())
    frames = list(source)
    assert source.length == 3 and not source.is_live and source.fps == 30
    assert greys(frames) == [10, 20, 30]
    assert [f.index for f in frames] == [0, 1, 2]
    assert [f.timestamp for f in frames] == pytest.approx([0, 1 / 30, 2 / 30])
    assert frames[0].image.shape == (3, 24, 32) and frames[0].image.dtype == torch.float32
    assert frames[0].truth is None


def test_fps_stride_and_max_frames(tmp_path):
    write_pictures(tmp_path, [f"{i}.png" for i in range(8)])
    frames = list(open_source(str(tmp_path), small(fps=10, stride=2, max_frames=3)))
    assert [f.index for f in frames] == [0, 2, 4]
    assert [f.timestamp for f in frames] == pytest.approx([0, 0.2, 0.4])


def test_colours_are_red_green_blue(tmp_path):
    bgr = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    bgr[..., 2] = 255
    write_picture(tmp_path / "red.png", bgr)
    frame = next(iter(open_source(str(tmp_path), small())))
    assert frame.image.mean((1, 2)).tolist() == [1, 0, 0]


# -- names ------------------------------------------------------------------------------------

@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_names_that_are_not_utf_8_are_read(tmp_path):
    folder = os.fsencode(tmp_path) + b"/K\xfcche"
    os.mkdir(folder)
    for name, grey in ((b"1\xe4.png", 10), (b"2\xe4.png", 20)):
        with open(folder + b"/" + name, "wb") as file:
            file.write(cv2.imencode(".png", picture(grey))[1].tobytes())
    assert greys(open_source(os.fsdecode(folder), small())) == [10, 20]


def test_names_in_other_scripts_are_read(tmp_path):
    write_pictures(tmp_path / "台所 [左]", ["画像1.png", "画像2.jpg"])
    source = open_source(str(tmp_path / "台所 [左]"), small())
    assert greys(source) == pytest.approx([10, 20], abs=2)


# -- what cannot be read ----------------------------------------------------------------------

def test_a_source_can_be_read_again(tmp_path):
    write_pictures(tmp_path, ["a.png", "b.png"])
    (tmp_path / "c.png").write_bytes(b"not an image")
    source = open_source(str(tmp_path), small())
    assert greys(source) == greys(source) == [10, 20]
    assert source.unreadable == 1


def test_an_unreadable_image_in_the_middle_is_skipped_and_counted(tmp_path, caplog):
    write_pictures(tmp_path, ["0.png", "1.png", "2.png", "3.png"])
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:20])
    source = open_source(str(tmp_path), small())
    frames = list(source)
    assert [f.index for f in frames] == [0, 2, 3]
    assert frames[1].timestamp == pytest.approx(2 / 30)
    assert source.unreadable == 1
    assert "1.png" in caplog.text


def test_an_unreadable_first_image_does_not_stop_the_rest(tmp_path):
    write_pictures(tmp_path, ["1.png", "2.png"])
    (tmp_path / "0.png").write_bytes(b"")
    source = open_source(str(tmp_path), small())
    assert [f.index for f in source] == [1, 2]
    assert source.unreadable == 1


def test_one_readable_image_among_many_is_found(tmp_path):
    write_pictures(tmp_path, ["17.png"])
    for i in set(range(40)) - {17}:
        (tmp_path / f"{i}.png").write_bytes(b"")
    assert [f.index for f in open_source(str(tmp_path), small())] == [17]


def test_many_skipped_images_are_named_once_and_counted(tmp_path, caplog):
    write_pictures(tmp_path, [f"{i}.png" for i in range(20)])
    for i in range(1, 20):
        (tmp_path / f"{i}.png").write_bytes(b"")
    source = open_source(str(tmp_path), small())
    with caplog.at_level(logging.WARNING):
        assert len(list(source)) == 1
    assert len(caplog.records) == 6 and "19 images were skipped" in caplog.text


def test_a_folder_without_a_readable_image_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"junk")
    with pytest.raises(SourceError, match="none of its 1 images"):
        open_source(str(tmp_path), small())


# -- sizes ------------------------------------------------------------------------------------

def test_the_size_of_most_images_counts_and_the_others_are_named(tmp_path, caplog):
    write_pictures(tmp_path, ["000_preview.png"], width=20, height=15)
    write_pictures(tmp_path, [f"img_{i}.png" for i in range(4)])
    write_pictures(tmp_path, ["img_2.png"], width=80)
    source = open_source(str(tmp_path), small())
    assert (source.original.width, source.original.height) == (WIDTH, HEIGHT)
    assert [f.index for f in source] == [1, 2, 4] and source.unreadable == 2
    assert "000_preview.png is 20x15, the sequence is 64x48" in caplog.text
    assert "img_2.png is 80x48" in caplog.text


# -- ranges of values -------------------------------------------------------------------------

def deep_picture(grey, bits):
    """A 16-bit picture of a sensor with so many bits."""
    return picture(grey).astype(np.uint16) << (bits - 8)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_bits_that_are_used_give_one_scale_for_the_whole_sequence(tmp_path, caplog, bits,
                                                                       channels):
    for i, grey in enumerate((40, 250, 90)):
        image = deep_picture(grey, bits)
        write_picture(tmp_path / f"{i}.png", image if channels == 3 else image[..., 0])
    with caplog.at_level(logging.WARNING):
        assert greys(open_source(str(tmp_path), small())) == [40, 250, 90]
    assert (f"use {bits} bits" in caplog.text) == (bits < 16)


def test_brighter_images_than_those_looked_at_are_clipped(tmp_path):
    for i in range(100):
        write_picture(tmp_path / f"{i}.png", deep_picture(200, 14 if i == 3 else 12))
    assert greys(open_source(str(tmp_path), small(max_frames=60)))[2:5] == [200, 255, 200]


def test_8_bit_images_among_16_bit_ones_keep_their_scale(tmp_path):
    write_picture(tmp_path / "0.png", deep_picture(200, 12))
    write_picture(tmp_path / "1.png", picture(100))
    assert greys(open_source(str(tmp_path), small())) == [200, 100]
