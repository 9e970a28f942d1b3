"""The conditional random field: smooth along a surface, divided at edges of depth and colour."""

import pytest
import torch

from scenecode.optim.crf import SurfaceConfig, pairwise_potentials, smoothed_labels
from scenecode.optim.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)


@pytest.fixture
def step_scene():
    """A wall at 2 m whose right half stands back to 3 m; its colour is the same."""
    depth = torch.full((48, 64), 2.0)
    depth[:, 32:] = 3.0
    return depth, torch.full((3, 48, 64), 0.5)


def test_labels_are_smoothed_along_a_surface_but_not_over_its_edge(step_scene):
    depth, image = step_scene
    config = SurfaceConfig()
    probabilities = torch.full((2, 48, 64), 0.5)
    probabilities[0, :, :32], probabilities[0, :, 32:] = 0.9, 0.1
    # what a coarse network blurs over the edge, and a mistaken spot
    probabilities[0, :, 32:35] = 0.9
    probabilities[0, 20:23, 10:13] = 0.2
    probabilities[1] = 1 - probabilities[0]
    pairwise = pairwise_potentials(CAMERA, image, depth, config)
    labels = smoothed_labels(probabilities, pairwise, config).argmax(0)
    assert (labels[:, :32] == 0).all() and (labels[:, 32:] == 1).all()


def test_colour_divides_a_surface_too(step_scene):
    _, image = step_scene
    depth = torch.full((48, 64), 2.0)
    image[0, :, 32:] = 1.0
    config = SurfaceConfig(colour=0.1)
    probabilities = torch.full((2, 48, 64), 0.4)
    probabilities[0, :, :32] = 0.6
    probabilities[1] = 1 - probabilities[0]
    pairwise = pairwise_potentials(CAMERA, image, depth, config)
    labels = smoothed_labels(probabilities, pairwise, config).argmax(0)
    assert (labels[:, :32] == 0).all() and (labels[:, 32:] == 1).all()


def test_pixels_without_depth_keep_their_own_label():
    depth = torch.full((48, 64), 2.0)
    depth[:, 32:] = 0
    probabilities = torch.full((2, 48, 64), 0.1)
    probabilities[1] = 0.9
    probabilities[:, 24, 48] = torch.tensor([0.9, 0.1])
    config = SurfaceConfig()
    pairwise = pairwise_potentials(CAMERA, torch.full((3, 48, 64), 0.5), depth, config)
    smoothed = smoothed_labels(probabilities, pairwise, config)
    assert smoothed.isfinite().all() and smoothed[:, 24, 48].argmax() == 0


@pytest.mark.parametrize("changes", [{"strength": -1.0}, {"plane": 0.0}, {"offsets": (0,)}])
def test_settings_of_surfaces_that_mean_nothing_are_refused(changes):
    with pytest.raises(ValueError, match="got"):
        SurfaceConfig(**changes)


def test_one_iteration_is_the_mean_field_update_of_a_pair():
    """Two pixels of one surface side by side, Potts model: q ~ p exp(strength w q' / (1 + w))."""
    camera = PinholeCamera(2.0, 2.0, 0.5, 0.5, 2, 2)
    config = SurfaceConfig(offsets=(1,), strength=3.0, plane=1.0, colour=0.5)
    image = torch.zeros(3, 2, 2)
    image[0, 0, 1] = 0.5
    depth = torch.tensor([[2.0, 2.0], [0.0, 0.0]])
    pairwise = pairwise_potentials(camera, image, depth, config)
    weight = torch.exp(torch.tensor(-0.5))
    p = torch.tensor([0.7, 0.4]).expand(2, 2)
    p = torch.stack([p, 1 - p])
    expected = torch.softmax(p.log() + 3.0 * weight * p.flip(2) / (1 + weight), 0)
    expected[:, 1] = p[:, 1]    # no depth, no neighbours
    torch.testing.assert_close(smoothed_labels(p, pairwise, config), expected)
