"""Depth images that a camera of their own took."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady, FieldOfView
from scenecode.slam.records.true_depth import register_depth
from scenecode.slam.sources.base.depth_images import metric_depth, pose_and_depth
from scenecode.slam.sources.base.image_sequence import ImageItem

DEPTH_CAMERA = PinholeCamera.centred(120.0, 128, 96)
COLOUR = PinholeCamera.centred(100.0, 128, 96)


def stored(folder, number):
    """A depth image, millimetres, that differs from pixel to pixel and has holes."""
    values = np.random.default_rng(number).integers(500, 5000, (96, 128)).astype(np.uint16)
    values[40:50, 60:80] = 0
    cv2.imwrite(str(folder / f"{number}.png"), values)
    return torch.from_numpy(values.astype(np.float32) / 1000)


def item(folder, number):
    path = folder / f"{number}.png"
    return ImageItem(index=number, timestamp=0.0, image=path, depth=path)


@pytest.mark.parametrize("lens", [BrownConrady(), BrownConrady(k1=-0.2, p1=0.01),
                                  FieldOfView(0.9)])
def test_cameras_at_one_place_see_what_registration_gives(tmp_path, lens):
    """Every pixel has one of the depths that are projected into it, every hole is one."""
    colour = replace(COLOUR, distortion=lens)
    read = pose_and_depth(metric_depth(1000), DEPTH_CAMERA)
    for number in range(2):
        depth = stored(tmp_path, number)
        seen = read(item(tmp_path, number), colour).depth
        nearest = register_depth(depth, DEPTH_CAMERA, se3.identity(), colour).numpy()
        farthest = -register_depth(10 - depth, DEPTH_CAMERA, se3.identity(), colour).numpy() + 10
        known = nearest > 0
        assert known.mean() > 0.5
        inside = known & (seen > 0)
        # a hole may be one of several pixels that fall into one
        assert inside.sum() > 0.97 * known.sum() and not (seen[~known] > 0).any()
        assert (seen >= nearest - 1e-4)[inside].all() and (seen <= farthest + 1e-4)[inside].all()


def test_the_camera_of_the_images_may_change(tmp_path):
    stored(tmp_path, 0)
    read = pose_and_depth(metric_depth(1000), DEPTH_CAMERA)
    for size in ((128, 96), (64, 48)):
        assert read(item(tmp_path, 0), COLOUR.resized(*size)).depth.shape == size[::-1]
