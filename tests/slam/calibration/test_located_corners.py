"""Corners that wandered are located again where they belong."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from scenecode.networks.data.rooms import render
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.calibration.lens import Lens
from scenecode.slam.calibration.located_corners import located_again
from scenecode.slam.calibration.segment import Segment
from scenecode.slam.features.klt import KltConfig, detect_corners
from scenecode.slam.features.orb import grey
from scenecode.slam.sources.rooms import RoomsSource

WIDTH, HEIGHT, FOCAL = 320, 240, 290.0
#: The view of six from which corners are located.
_REFERENCE = 2


@pytest.fixture(scope="module")
def filmed():
    """A true segment of a walk, and its images."""
    walk = RoomsSource(3, 60, WIDTH, HEIGHT)
    camera = PinholeCamera.centred(FOCAL, WIDTH, HEIGHT)
    poses = walk.poses[::10]
    views = [render(walk.room, T, camera, 3) for T in poses]
    images = tuple(grey(torch.from_numpy(v.image.mean(2) / 255).float()) for v in views)
    pixels = detect_corners(images[_REFERENCE], torch.zeros(0, 2), KltConfig())
    pixels = pixels.round().double().numpy()
    depth = views[_REFERENCE].depth[pixels[:, 1].astype(int), pixels[:, 0].astype(int)]
    rays = np.column_stack([(pixels - [camera.cx, camera.cy]) / FOCAL, np.ones(len(pixels))])
    T = poses[_REFERENCE]
    points = rays * depth[:, None] @ T[:3, :3].T + T[:3, 3]
    inverse = np.linalg.inv(poses)
    R, t = Rotation.from_matrix(inverse[:, :3, :3]), inverse[:, :3, 3]
    lens = Lens.ideal(FOCAL, WIDTH, HEIGHT)
    view, point, at = [], [], []
    for m in range(len(poses)):
        x = R[m].apply(points) + t[m]
        projected = lens.project(x)[0]
        seen = (x[:, 2] > 0.1) & (projected > 8).all(1) & (projected < [WIDTH - 9,
                                                                       HEIGHT - 9]).all(1)
        view.append(np.full(seen.sum(), m))
        point.append(np.flatnonzero(seen))
        at.append(projected[seen])
    return Segment(keyframes=np.arange(len(poses)), R=R, t=t, points=points,
                   view=np.concatenate(view), point=np.concatenate(point),
                   pixels=np.concatenate(at),
                   shifts=np.zeros((sum(map(len, at)), 2, 2))), lens, images


def test_corners_that_wandered_by_a_pixel_are_found_to_a_fifth(filmed):
    """Poses and points are off, too: as an adjustment of such corners leaves them."""
    true, lens, images = filmed
    rng = np.random.default_rng(1)
    wandered = true.pixels + (true.view != _REFERENCE)[:, None] * rng.normal(0, 1, (1, 2)) \
        + (true.view != _REFERENCE)[:, None] * rng.normal(0, 0.5, true.pixels.shape)
    off = replace(true, pixels=wandered, t=true.t + rng.normal(0, 0.01, true.t.shape),
                  points=true.points * (1 + rng.normal(0, 0.01, (len(true.points), 1))))
    found = located_again(off, lens, images)
    exact = replace(found, R=true.R, t=true.t, points=_of_same_corners(found, off, true))
    errors = np.linalg.norm(exact.residuals(lens), axis=1)[found.view != _REFERENCE]
    before = np.linalg.norm(true.pixels - wandered, axis=1)[true.view != _REFERENCE]
    assert len(errors) > 0.6 * len(before)
    assert np.median(errors) < 0.2 < 1.0 < np.median(before)


def test_corners_that_are_not_found_again_are_left_out(filmed):
    true, lens, images = filmed
    black = tuple(np.zeros_like(image) for image in images)
    assert len(located_again(true, lens, black).points) == 0


def _of_same_corners(found, off, true):
    """The true points (N, 3) of those that are left."""
    index = {tuple(x): n for n, x in enumerate(off.points)}
    return true.points[[index[tuple(x)] for x in found.points]]
