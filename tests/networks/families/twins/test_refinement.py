import numpy as np
import pytest

from scenecode.networks.families.twins.refinement import refined_disparity


def scene():
    """A road with disparity as of a plane below a wall of one disparity, by colour and label."""
    v, u = np.indices((48, 64))
    is_road = v >= 20
    disparity = np.where(is_road, 0.5 * (v - 20) + 4.0, 4.0)
    image = np.where(is_road[..., None], (90, 90, 90), (200, 60, 40)).astype(np.uint8)
    return image, is_road.astype(np.uint8), disparity


def test_planes_survive_and_noise_does_not():
    image, labels, disparity = scene()
    np.testing.assert_allclose(refined_disparity(image, labels, disparity, (1,)), disparity,
                               atol=1e-6)
    noise = np.random.default_rng(0).normal(0, 0.4, disparity.shape)
    refined = refined_disparity(image, labels, disparity + noise, (1,))
    assert np.abs(refined - disparity).mean() < 0.3 * np.abs(noise).mean()
    # one plane for the whole road is better than many
    many = refined_disparity(image, labels, disparity + noise, ())
    road = labels == 1
    assert np.abs(refined - disparity)[road].mean() < 0.5 * np.abs(many - disparity)[road].mean()


def test_a_road_without_a_plane_keeps_its_superpixels():
    image, labels, disparity = scene()
    rng = np.random.default_rng(0)
    wild = np.where(labels == 1, rng.uniform(1, 60, disparity.shape), disparity)
    same = refined_disparity(image, labels, wild, ())
    assert refined_disparity(image, labels, wild, (1,)) == pytest.approx(same)
