"""7-Scenes sequences."""

import cv2
import numpy as np
import pytest
import torch
from support.pictures import HEIGHT, WIDTH, small, write_pictures

from scenecode.slam.sources import open_source
from scenecode.slam.sources.formats import true_trajectory


def seven_scenes(folder, numbers=(3, 4, 10)):
    write_pictures(folder, [f"frame-{n:06d}.color.png" for n in numbers])
    for n in numbers:
        T = np.eye(4)
        T[0, 3] = n
        np.savetxt(folder / f"frame-{n:06d}.pose.txt", T)
    depth = np.full((HEIGHT, WIDTH), 1500, np.uint16)
    depth[:, :16], depth[:, 48:] = 0, 65535
    cv2.imwrite(str(folder / f"frame-{numbers[0]:06d}.depth.png"), depth)
    return folder


def test_seven_scenes_has_stamps_by_number_poses_and_depth(tmp_path):
    # the depth camera has 58.5 pixels here, and sees its columns 16 to 47
    options = small(intrinsics=(45.0, 45.0, 31.5, 23.5))
    frames = list(open_source(str(seven_scenes(tmp_path)), options))
    assert [f.index for f in frames] == [0, 1, 2]
    assert [f.timestamp for f in frames] == pytest.approx([3 / 30, 4 / 30, 10 / 30])
    assert [f.truth.T_world_cam[0, 3].item() for f in frames] == [3, 4, 10]
    assert frames[0].truth.T_world_cam.dtype == torch.float64
    depth = frames[0].truth.depth
    assert depth.unique().tolist() == [0, 1.5] and depth.dtype == torch.float32
    # in the colour camera 15.5 columns either way become 15.5 * 45 / 58.5 = 11.9
    assert (depth[4:20, 10:22] == 1.5).all() and depth[:, :9].sum() == 0 == depth[:, 23:].sum()
    assert frames[1].truth.depth is None


def test_an_unreadable_depth_leaves_the_frame_its_pose(tmp_path, caplog):
    (seven_scenes(tmp_path) / "frame-000003.depth.png").write_bytes(b"junk")
    source = open_source(str(tmp_path), small())
    frame = next(iter(source))
    assert frame.truth.depth is None and frame.truth.T_world_cam[0, 3] == 3
    assert "frame-000003.depth.png" in caplog.text and source.unreadable == 0


def test_a_flawed_pose_is_named_and_left_out(tmp_path, caplog):
    (seven_scenes(tmp_path) / "frame-000004.pose.txt").write_text("1 2 3")
    frames = list(open_source(str(tmp_path), small()))
    assert [f.truth is not None for f in frames] == [True, False, True]
    assert "frame-000004.pose.txt: 3 numbers" in caplog.text
    assert len(true_trajectory(tmp_path)) == 2
