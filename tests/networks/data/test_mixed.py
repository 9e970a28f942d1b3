"""Mixing and batching: the right shares, every sample in turn, the same for the same seed."""

from collections import Counter

import numpy as np
import pytest
import torch
from support.numbered import HEIGHT, WIDTH, Numbered

from scenecode.core.errors import DataError
from scenecode.networks.classes import NYU13, ClassSet
from scenecode.networks.data.augment import Augment, AugmentConfig
from scenecode.networks.data.mixed import Batch, MixedImages, batches

FOCAL = 15.0


def identities(found: list[Batch]) -> list[int]:
    """Indices of the samples, in the order of the batches."""
    return [round(float(v)) for b in found for v in b.image[:, 0, 0, 0] * 255]


def test_default_epoch_shows_everything_once():
    mixed = MixedImages([Numbered(10), Numbered(7)])
    assert len(mixed) == 17 and sorted(mixed.order(0)) == list(range(17))
    assert list(mixed.order(0)) != list(mixed.order(1))


def test_indices_reach_the_right_data_set():
    mixed = MixedImages([Numbered(10, tint=1), Numbered(7, tint=2)])
    assert mixed[9].name == "numbered/9" and mixed[10].name == "numbered/0"
    assert round(float(mixed[10].image[1, 0, 0] * 255)) == 2
    for index in (17, -1):
        with pytest.raises(IndexError):
            mixed[index]


def test_counts_are_kept_and_no_sample_waits_for_another_to_come_twice():
    mixed = MixedImages([Numbered(10), Numbered(100)], counts=[25, 30], seed=3)
    seen = Counter()
    for epoch in range(10):
        order = mixed.order(epoch)
        assert (order < 10).sum() == 25 and (order >= 10).sum() == 30
        seen.update(order.tolist())
        small, large = ([seen[i] for i in part] for part in (range(10), range(10, 110)))
        assert max(small) - min(small) <= 1 and max(large) - min(large) <= 1


def test_order_depends_on_seed_and_epoch_only():
    a, b, c = (MixedImages([Numbered(50)], seed=seed) for seed in (1, 1, 2))
    b.order(0), b.order(3)
    assert np.array_equal(a.order(5), b.order(5))
    assert not np.array_equal(a.order(5), c.order(5))


def test_batches_hold_what_training_needs():
    found = list(batches(MixedImages([Numbered(10)]), 0, 4, FOCAL))
    assert len(found) == 2, "what does not fill a batch is dropped"
    batch, first = found[0], identities(found)[0]
    assert batch.image.shape == (4, 3, HEIGHT, WIDTH) and batch.image.dtype == torch.float32
    assert batch.depth.shape == batch.valid.shape == batch.labels.shape == (4, HEIGHT, WIDTH)
    assert batch.labels.dtype == torch.int64 and batch.valid.dtype == torch.bool
    assert batch.labels[0, 0, 0] == first
    for n, i in enumerate(identities(found)):
        focal = 0.5 * (15.0 + i + 15.0)
        depth = found[n // 4].depth[n % 4, 0, 0]
        assert depth == pytest.approx(i / 8 * FOCAL / focal)
        assert found[n // 4].valid[n % 4].all() == (i > 0)


def test_workers_and_resuming_change_nothing():
    mixed = MixedImages([Numbered(12), Numbered(6, tint=9)], seed=8)
    augment = Augment(WIDTH, HEIGHT)
    alone = list(batches(mixed, 2, 4, FOCAL, augment))
    others = {"worker processes": list(batches(mixed, 2, 4, FOCAL, augment, workers=2)),
              "resumed": alone[:2] + list(batches(mixed, 2, 4, FOCAL, augment, first=2))}
    for case, found in others.items():
        assert len(found) == len(alone) == 4, case
        for a, b in zip(alone, found):
            for name in ("image", "depth", "valid", "labels"):
                assert torch.equal(getattr(a, name), getattr(b, name)), case
    again = list(batches(mixed, 3, 4, FOCAL, augment))
    assert not torch.equal(alone[0].image, again[0].image)


def test_parts_of_batches_make_up_the_whole():
    mixed, augment = MixedImages([Numbered(10)], seed=5), Augment(WIDTH, HEIGHT)
    whole = list(batches(mixed, 1, 4, FOCAL, augment))
    halves = [list(batches(mixed, 1, 4, FOCAL, augment, part=part))
              for part in (slice(0, 2), slice(2, 4))]
    assert len(whole) == len(halves[0]) == len(halves[1]) == 2
    for together, first, second in zip(whole, *halves):
        assert len(first.image) == 2
        assert torch.equal(together.image, torch.cat([first.image, second.image]))


def test_a_sample_is_augmented_differently_every_time():
    found = list(batches(MixedImages([Numbered(2)], counts=[8]), 0, 8, FOCAL,
                         Augment(WIDTH, HEIGHT)))
    assert len({float(m) for m in found[0].image.mean((1, 2, 3))}) == 8


@pytest.mark.parametrize("workers", [0, 1])
def test_collages_join_images_of_the_same_epoch(workers):
    still = AugmentConfig(flip=0, zoom=1, aspect=0, brightness=0, contrast=0, colour=0, gamma=0,
                          blur=0, noise=0, collage=0.5)
    augment = Augment(WIDTH, HEIGHT, still)
    found = [next(batches(MixedImages([Numbered(12)]), 0, 12, FOCAL, augment, workers))
             for _ in range(2)]
    assert torch.equal(found[0].image, found[1].image), "the seed decides"
    parts = [set((row * 255).round().int().tolist()) for row in found[0].image[:, 0, 0]]
    assert all(len(part) <= 2 and part <= set(range(12)) for part in parts)
    assert 2 <= sum(len(part) == 2 for part in parts) <= 9


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_reported_by_name(workers):
    mixed = MixedImages([Numbered(8, broken=5)])
    with pytest.raises(DataError, match="5.png: cannot be decoded"):
        list(batches(mixed, 0, 4, FOCAL, workers=workers))


def test_what_cannot_be_mixed_is_refused():
    fewer = ClassSet(NYU13.names[:5], NYU13.colours[:5])
    with pytest.raises(DataError, match="same classes"):
        MixedImages([Numbered(3), Numbered(3, classes=fewer)])
    with pytest.raises(DataError, match="needs images"):
        MixedImages([Numbered(3), Numbered(0)])
    for counts in ([1], [0, 0], [-1, 4]):
        with pytest.raises(DataError, match="2 data sets need as many counts"):
            MixedImages([Numbered(3), Numbered(3)], counts=counts)
    with pytest.raises(DataError, match=r"batch size 9 must lie in 1..4"):
        next(batches(MixedImages([Numbered(4)]), 0, 9, FOCAL))
