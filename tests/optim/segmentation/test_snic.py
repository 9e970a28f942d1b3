"""Superpixels: a partition into connected regions that respects labels."""

import numpy as np
import pytest
from scipy import ndimage

from scenecode.optim.segmentation.snic import grid_seeds, superpixels

HEIGHT, WIDTH = 48, 64


@pytest.fixture(scope="module")
def scene():
    """Colours (CIELAB) with smooth variation and noise, and labels of three regions."""
    rng = np.random.default_rng(3)
    noise = ndimage.gaussian_filter(rng.normal(size=(HEIGHT, WIDTH, 3)), (3, 3, 0))
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    labels = np.where(v > 30 + 6 * np.sin(u / 7), 1, np.where(u > 40, 7, 255)).astype(np.uint8)
    return 60 + 150 * noise + rng.normal(0, 1, noise.shape), labels


def regions_of(index, region):
    return ndimage.label(index == region)[1]


def test_every_pixel_is_in_one_connected_superpixel(scene):
    found = superpixels(*scene)
    assert found.index.min() == 0 and found.index.max() == len(found) - 1
    assert all(regions_of(found.index, k) == 1 for k in range(len(found)))
    assert (found.sizes == np.bincount(found.index.ravel())).all()
    assert len(found) == len(grid_seeds(WIDTH, HEIGHT, HEIGHT * WIDTH // 256))


def test_the_same_image_gives_the_same_superpixels(scene):
    colours, labels = scene
    # many equal distances: the order of the queue decides
    flat = np.full_like(colours, 50)
    one, two = superpixels(flat, labels), superpixels(flat, labels)
    assert (one.index == two.index).all()
    # of one colour and one label they are the cells of the grid
    plain = superpixels(flat, np.zeros_like(labels))
    assert plain.sizes.min() > 0.6 * plain.sizes.mean()


def test_an_infinite_penalty_crosses_no_label(scene):
    colours, labels = scene
    found = superpixels(colours, labels, label_penalty=np.inf, min_region=1)
    assert (found.labels[found.index] == labels).all()


def test_the_label_penalty_keeps_superpixels_within_labels(scene):
    colours, labels = scene

    def share_of_changed_labels(penalty):
        found = superpixels(colours, labels, label_penalty=penalty)
        return (found.labels[found.index] != labels).mean()

    assert share_of_changed_labels(10.0) < 0.25 * share_of_changed_labels(0.0)


def test_the_label_is_that_of_the_majority_and_of_the_seed_in_a_tie():
    colours = np.full((2, 4, 3), 50.0)
    labels = np.array([[3, 3, 3, 9], [9, 9, 9, 3]], np.uint8)
    found = superpixels(colours, labels, 1)
    seed = grid_seeds(4, 2, 1)[0]
    assert len(found) == 1 and found.labels[0] == labels.ravel()[seed]
    labels.ravel()[seed] = 3 if labels.ravel()[seed] == 9 else 9
    assert superpixels(colours, labels, 1).labels[0] == np.bincount(labels.ravel()).argmax()


def test_a_small_region_of_a_label_gets_a_seed_of_its_own(scene):
    colours, labels = scene
    labels = labels.copy()
    labels[3:15, 9:11] = 4      # a pole between seeds
    found = superpixels(colours, labels, 12, min_region=12)
    assert 4 in found.labels
    assert 4 not in superpixels(colours, labels, 12).labels
