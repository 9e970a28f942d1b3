"""Augmentation: true geometry, one seed one result, colours within range."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scenecode.networks.classes import VOID
from scenecode.networks.data.augment import (
    Augment,
    AugmentConfig,
    canonical_depth,
    collaged,
    cropped,
    flipped,
    rolled,
)
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(296.5, 293.3, 162.9, 117.7, 320, 240)
#: a wall, neither parallel to the image nor level: NORMAL . x = 1
NORMAL = torch.tensor([0.10, -0.06, 0.40])
GEOMETRY_ONLY = AugmentConfig(brightness=0, contrast=0, colour=0, gamma=0, blur=0, noise=0)


@pytest.fixture
def wall() -> Sample:
    """A slanted plane; image and labels change where x = 0."""
    rays = CAMERA.rays(CAMERA.pixel_grid()).reshape(240, 320, 3)
    right = rays[..., 0] > 0
    depth = 1 / (rays @ NORMAL)
    depth[:20, :20] = 0
    labels = torch.where(right, 3, 5).byte()
    labels[-20:] = VOID
    image = torch.where(right, 0.8, 0.2).expand(3, 240, 320).contiguous()
    return Sample(image=image, depth=depth, labels=labels, camera=CAMERA, name="wall")


def plane_error(sample: Sample, normal: torch.Tensor) -> float:
    """Largest relative distance of a known depth from the plane the camera should see."""
    camera = sample.camera
    rays = camera.rays(camera.pixel_grid()).reshape(camera.height, camera.width, 3)
    known = sample.depth > 0
    return ((rays @ normal) * sample.depth - 1)[known].abs().max().item()


@pytest.mark.parametrize("box", [(0, 0, 320, 240), (40, 30, 200, 150), (101, 77, 160, 120),
                                 (7, 3, 256, 192)])
def test_a_plane_stays_in_place_under_crops(wall, box):
    out = cropped(wall, box, 256, 192)
    assert out.depth.shape == (192, 256)
    # nearest sampling is off by up to half a source pixel: 0.5 / 293 rad times the slope
    assert plane_error(out, NORMAL) < 2e-3


def test_longer_lens_is_a_nearer_canonical_world(wall):
    whole, half = cropped(wall, (0, 0, 320, 240), 256, 192), cropped(wall, (80, 60, 160, 120),
                                                                    256, 192)
    assert half.camera.focal == pytest.approx(2 * whole.camera.focal)
    # the middle of the image shows the same point; a network that cannot see the lens must
    # call it twice as near
    ratio = canonical_depth(whole, 237.0)[96, 128] / canonical_depth(half, 237.0)[96, 128]
    assert ratio == pytest.approx(2, rel=5e-3)
    same = canonical_depth(whole, whole.camera.focal)
    torch.testing.assert_close(same, whole.depth)
    assert (canonical_depth(whole, 237.0)[whole.depth == 0] == 0).all()


def test_mirror_image_has_a_mirrored_camera(wall):
    out = flipped(wall)
    assert out.camera.cx == pytest.approx(319 - 162.9)
    assert plane_error(out, NORMAL * torch.tensor([-1.0, 1, 1])) < 1e-5
    twice = flipped(out)
    assert torch.equal(twice.image, wall.image) and twice.camera.cx == pytest.approx(162.9)


@pytest.mark.parametrize("degrees", [-12.0, 5.0])
def test_a_rolled_camera_sees_the_plane_where_it_is(wall, degrees):
    square = replace(wall, camera=replace(CAMERA, fy=CAMERA.fx))
    rays = square.camera.rays(CAMERA.pixel_grid()).reshape(240, 320, 3)
    depth = 1 / (rays @ NORMAL)
    out = rolled(replace(square, depth=depth), degrees)
    turn = np.radians(degrees)
    R = torch.tensor([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0],
                      [0, 0, 1]], dtype=torch.float32)
    # the normal turns with the picture; nearest sampling is off by up to half a pixel
    assert plane_error(out, R @ NORMAL) < 3e-3
    unseen = out.depth == 0
    assert 0.02 < unseen.float().mean() < 0.2 and bool((out.labels[unseen] == VOID).all())
    assert out.image.isfinite().all() and out.image.shape == wall.image.shape


def test_a_collage_is_two_images_and_one_metric_world(wall):
    other = replace(wall, image=1 - wall.image, labels=wall.labels.new_full((240, 320), 7),
                    camera=replace(CAMERA, fx=2 * CAMERA.fx, fy=2 * CAMERA.fy))
    cuts = set()
    for seed in range(20):
        out = collaged(wall, other, np.random.default_rng(seed))
        theirs = out.labels[100] == 7
        cut = int(theirs.int().diff().abs().argmax()) + 1
        cuts.add(cut)
        assert 0.19 * 320 <= cut <= 0.8 * 320 and int(theirs.int().diff().abs().sum()) == 1
        torch.testing.assert_close(out.image[:, 100, theirs], other.image[:, 100, theirs])
        assert torch.equal(out.depth[:, ~theirs], wall.depth[:, ~theirs])
        # through the wall's camera, the other one's world is half as far
        torch.testing.assert_close(out.depth[:, theirs], wall.depth[:, theirs] / 2)
    assert len(cuts) > 10


def test_random_views_stay_true_and_in_register(wall):
    augment = Augment(256, 192, GEOMETRY_ONLY)
    mirrored, focals = 0, []
    for seed in range(30):
        out = augment(wall, np.random.default_rng(seed))
        u_edge = out.camera.cx
        columns = torch.arange(256)
        sides = out.labels[96]
        is_mirrored = bool(sides[0] == 3) if u_edge > 0 else bool(sides[-1] == 5)
        mirrored += is_mirrored
        sign = -1.0 if is_mirrored else 1.0
        assert plane_error(out, NORMAL * torch.tensor([sign, 1, 1])) < 3e-3
        off_edge = (columns - u_edge).abs() > 2
        bright = out.image[0, 96] > 0.5
        assert torch.equal(bright[off_edge], (sides == 3)[off_edge])
        focals.append(out.camera.focal)
        assert 0.9 < out.camera.fx / out.camera.fy < 1.15, "about the same shape"
    assert 5 < mirrored < 25
    assert 230 < min(focals) < 260 and 330 < max(focals) < 400


def test_the_seed_decides_everything(wall):
    augment = Augment(256, 192)
    a, b, c = (augment(wall, np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert torch.equal(a.image, b.image) and torch.equal(a.labels, b.labels)
    assert a.camera == b.camera
    assert not torch.equal(a.image, c.image)


def test_colours_vary_but_stay_colours_and_the_original_is_untouched(wall):
    augment = Augment(320, 240, AugmentConfig(flip=0, zoom=1, aspect=0))
    before = wall.image.clone()
    means = []
    for seed in range(40):
        out = augment(wall, np.random.default_rng(seed))
        assert out.image.min() >= 0 and out.image.max() <= 1 and out.image.isfinite().all()
        assert torch.equal(out.labels, wall.labels) and torch.equal(out.depth, wall.depth)
        means.append(out.image.mean((1, 2)))
    means = torch.stack(means)
    assert means.mean(1).std() > 0.04, "brightness varies"
    assert (means[:, 0] - means[:, 2]).std() > 0.02, "white balance varies"
    assert torch.equal(wall.image, before)


def test_without_augmentation_nothing_changes(wall):
    config = replace(GEOMETRY_ONLY, flip=0, zoom=1, aspect=0)
    out = Augment(320, 240, config)(wall, np.random.default_rng(0))
    torch.testing.assert_close(out.image, wall.image)
    assert torch.equal(out.depth, wall.depth) and out.camera == wall.camera
