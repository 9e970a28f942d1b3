"""Resampling keeps images, maps and cameras in register to a fraction of a pixel."""

import numpy as np
import pytest
import torch

from scenecode.core.images import image_tensor, resample_area, resample_nearest
from scenecode.optim.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(500.0, 510.0, 310.0, 236.0, 640, 480)
#: the last is exactly twice the size that it is resampled to
BOXES = [(40, 45, 560, 425), (0, 0, 640, 480), (101, 77, 200, 150), (30, 20, 512, 384)]


def predicted_columns(box, width, height) -> np.ndarray:
    """Where in the whole image the resampled camera's columns look."""
    small = CAMERA.cropped(*box).resized(width, height)
    x = (np.arange(width) - small.cx) / small.fx
    return CAMERA.fx * x + CAMERA.cx


@pytest.mark.parametrize("box", BOXES[:3])
def test_nearest_takes_the_pixel_that_the_camera_looks_at(box):
    ramp = np.tile(np.arange(640, dtype=np.float32), (480, 1))
    taken = resample_nearest(ramp, box, 256, 192)[100]
    error = taken - predicted_columns(box, 256, 192)
    assert np.abs(error).max() <= 0.5 + 1e-4 and abs(error.mean()) < 0.05 + 1e-4


def test_nearest_reads_a_map_of_half_the_resolution():
    # pixel k of the small map covers columns 2k and 2k + 1, whose middle is 2k + 0.5
    middle = np.tile(2 * np.arange(320, dtype=np.float32) + 0.5, (240, 1))
    taken = resample_nearest(middle, BOXES[0], 256, 192, full_size=(640, 480))[100]
    error = taken - predicted_columns(BOXES[0], 256, 192)
    assert np.abs(error).max() <= 1 + 1e-4 and abs(error.mean()) < 0.1


@pytest.mark.parametrize("box", BOXES)
def test_image_is_averaged_about_where_the_camera_looks(box):
    ramp = np.tile(np.arange(640, dtype=np.float32), (480, 1))
    inner = slice(3, -3)  # interpolation past the crop's edge repeats the edge
    seen = resample_area(ramp, box, 256, 192)[100][inner]
    # a pixel that is cut in two counts by its middle, which is up to a tenth off
    assert np.abs(seen - predicted_columns(box, 256, 192)[inner]).max() < 0.1


@pytest.mark.slow
def test_image_tensor_is_planes_from_zero_to_one():
    image = np.zeros((4, 5, 3), np.uint8)
    image[1, 2] = (255, 51, 0)
    tensor = image_tensor(image)
    assert tensor.shape == (3, 4, 5) and tensor.is_contiguous()
    torch.testing.assert_close(tensor[:, 1, 2], torch.tensor([1.0, 0.2, 0.0]))
