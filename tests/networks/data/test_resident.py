from dataclasses import replace

import pytest
import torch
from support.small_training import Walls

from scenecode.networks.classes import VOID
from scenecode.networks.data.augment import AugmentConfig, canonical_depth, flipped
from scenecode.networks.data.mixed import MixedImages
from scenecode.networks.data.resident import ResidentImages, resident_batch

UNCHANGED = AugmentConfig(flip=0, zoom=1, aspect=0, brightness=0, contrast=0, colour=0, gamma=0,
                          blur=0, noise=0)
FOCAL = 50.0


@pytest.fixture(scope="module")
def mixed():
    return MixedImages([Walls()])


def batch_of(mixed, config, size, indices=(0, 1), seed=0):
    images = ResidentImages.load(mixed, torch.device("cpu"))
    return resident_batch(images, torch.tensor(indices), size, FOCAL, config,
                          torch.Generator().manual_seed(seed))


def test_without_changes_a_batch_is_the_samples_at_the_canonical_focal_length(mixed):
    sample = mixed[1]
    batch = batch_of(mixed, UNCHANGED, tuple(sample.depth.shape))
    assert torch.allclose(batch.image[1], sample.image, atol=3e-3)
    assert torch.equal(batch.labels[1], sample.labels.long())
    assert torch.allclose(batch.depth[1], canonical_depth(sample, FOCAL), rtol=2e-3)
    assert torch.equal(batch.valid, batch.depth > 0)


def test_a_mirrored_batch_is_the_mirrored_samples(mixed):
    sample = flipped(mixed[0])
    batch = batch_of(mixed, replace(UNCHANGED, flip=1), tuple(sample.depth.shape))
    assert torch.allclose(batch.image[0], sample.image, atol=3e-3)
    assert torch.equal(batch.labels[0], sample.labels.long())


def test_zoom_brings_the_scene_nearer_by_as_much_as_it_is_enlarged(mixed):
    depth = mixed[0].depth
    batch = batch_of(mixed, replace(UNCHANGED, zoom=2.0), tuple(depth.shape))
    canonical = canonical_depth(mixed[0], FOCAL)
    known = batch.depth[0][batch.valid[0]]
    assert known.min() >= 0.5 * canonical[canonical > 0].min() - 1e-3
    assert known.max() < canonical.max()


def test_the_same_seed_gives_the_same_batch_and_what_a_roll_uncovers_is_unknown(mixed):
    config = AugmentConfig(roll=20.0, collage=0.5, saturation=0.5)
    size = tuple(mixed[0].depth.shape)
    one, two = batch_of(mixed, config, size, seed=3), batch_of(mixed, config, size, seed=3)
    assert torch.equal(one.image, two.image) and torch.equal(one.labels, two.labels)
    other = batch_of(mixed, config, size, seed=4)
    assert not torch.equal(one.image, other.image)
    rolled = batch_of(mixed, replace(UNCHANGED, roll=20.0), size)
    corner = rolled.labels[:, 0, 0]
    assert (corner == VOID).any() or (rolled.labels[:, 0, -1] == VOID).any()
