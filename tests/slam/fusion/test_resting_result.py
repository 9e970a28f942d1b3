"""The compressed result of a keyframe against the maps that it was made of."""

import numpy as np
import pytest
import torch

from scenecode.networks.prediction import resize_maps
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import depth_from_proximity, depth_std
from scenecode.slam.fusion.packed_maps import CORRECTIONS, LOG_B
from scenecode.slam.fusion.resting_result import RestingResult
from scenecode.slam.map.stored_image import StoredImage

CAMERA = PinholeCamera(230.0, 231.0, 127.5, 95.5, 256, 192)
A = 2.3
CLASSES = 13


def smooth(h, w, low, high, cells, seed, noise=0.01):
    """(h, w) between two values, wavy over the image."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, *cells, generator=rng)
    fine = torch.nn.functional.interpolate(coarse, (h, w), mode="bicubic", align_corners=False)
    rough = fine[0, 0] + noise * torch.randn(h, w, generator=rng)
    return low + (high - low) * rough.clamp(0, 1)


@pytest.fixture(scope="module")
def maps():
    logits = torch.stack([8 * smooth(96, 128, 0, 1, (5, 7), 20 + n, 0) for n in range(CLASSES)])
    depth = smooth(48, 64, 0.4, 12.0, (4, 6), 1)
    corrections = smooth(48, 64, -0.2, 0.2, (4, 4), 2)
    return {"proximity": A / (A + depth), "b": smooth(48, 64, 0.002, 0.08, (9, 12), 3),
            "corrections": corrections, "probabilities": torch.softmax(logits, 0),
            "reliable": smooth(96, 128, 0, 1, (8, 8), 4) > 0.5}


@pytest.fixture(scope="module")
def image():
    return torch.stack([smooth(192, 256, 0, 1, (30, 40), n) for n in range(3)])


@pytest.fixture(scope="module")
def result(maps, image):
    return packed(maps, image)


def packed(maps, image):
    corrections = maps["corrections"]
    rest = {name: maps[name] for name in ("proximity", "probabilities", "reliable")}
    return RestingResult.packed(CAMERA, StoredImage.of(image), A, **rest,
                                log_b=LOG_B.pack(maps["b"].log()),
                                corrections=None if corrections is None
                                else CORRECTIONS.pack(corrections))


def true_depth(maps, width=256, height=192):
    prox = resize_maps(maps["proximity"][None], width, height)[0]
    return depth_from_proximity(prox, A) \
        * resize_maps(maps["corrections"][None], width, height)[0].exp()


def test_depth_is_kept_to_a_thousandth(result, maps):
    expected = true_depth(maps).numpy()
    assert result.depth.dtype == np.float32 and result.depth.shape == (192, 256)
    assert np.abs(result.depth / expected - 1).max() < 1e-3 / 2


@pytest.mark.parametrize("prox", [1e-5, 1e-3, 0.02, 0.5, 0.97, 0.999, 1.2])
def test_depth_is_kept_near_and_far(prox, maps, image):
    """Up to the limits within which a proximity counts as a depth."""
    proximity = torch.full((48, 64), prox)
    kept = packed(maps | {"proximity": proximity, "corrections": torch.zeros(48, 64)}, image)
    expected = float(depth_from_proximity(proximity, A)[0, 0])
    assert kept.depth == pytest.approx(np.full((192, 256), expected), rel=5e-4)


def test_the_deviation_of_depth_is_kept(result, maps):
    b = resize_maps(maps["b"][None], 256, 192)[0]
    expected = depth_std(true_depth(maps), b, A).numpy()
    assert np.abs(result.depth_std / expected - 1).max() < 3e-3


def test_labels_are_those_of_interpolated_probabilities(result, maps):
    """Nearly: they are interpolated without the other classes."""
    confidence, labels = resize_maps(maps["probabilities"], 256, 192).max(0)
    same = result.labels == labels.numpy()
    assert same.mean() > 0.96 and result.labels.dtype == np.uint8
    error = np.abs(result.confidence - confidence.numpy())[same]
    assert result.confidence.dtype == np.float32 and np.median(error) < 0.01


def test_labels_at_full_resolution_are_kept_as_they_are(maps, image):
    probabilities = resize_maps(maps["probabilities"], 256, 192)
    kept = packed(maps | {"probabilities": probabilities,
                          "reliable": torch.ones(192, 256).bool()}, image)
    confidence, labels = probabilities.max(0)
    assert np.array_equal(kept.labels, labels.numpy())
    assert np.abs(kept.confidence - confidence.numpy()).max() < 0.51 / 255
    assert len(kept.points(np.eye(4))) == 192 * 256


def test_points_lie_on_the_surface_and_follow_the_camera(result, maps):
    T = np.eye(4)
    T[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    T[:3, 3] = [1.0, 2.0, 3.0]
    keep = maps["reliable"].numpy()
    points = result.points(T)
    assert len(points) == keep.sum() == len(points.colours) == len(points.labels)
    in_camera = (points.points - T[:3, 3]) @ T[:3, :3]
    expected = true_depth(maps, 128, 96).numpy()[keep]
    assert np.abs(in_camera[:, 2] / expected - 1).max() < 1e-3
    camera = CAMERA.resized(128, 96)
    pixels, _ = camera.project(torch.from_numpy(in_camera))
    assert np.abs(pixels.numpy() - camera.pixel_grid().numpy()[keep.ravel()]).max() < 1e-3
    again = result.points(T)
    assert np.array_equal(again.points, points.points)


def test_rescaling_multiplies_depth_and_its_deviation(result):
    larger = result.rescaled(1.7)
    np.testing.assert_allclose(larger.depth, 1.7 * result.depth, rtol=1e-5)
    np.testing.assert_allclose(larger.depth_std, 1.7 * result.depth_std, rtol=1e-4)
    assert np.array_equal(larger.labels, result.labels)


def test_a_result_takes_thirty_kilobytes_at_most(result):
    assert result.num_bytes < 30_000


def test_without_corrections_depth_is_that_of_the_code(maps, image):
    plain = packed(maps | {"corrections": None}, image)
    expected = depth_from_proximity(resize_maps(maps["proximity"][None], 256, 192)[0], A)
    assert np.abs(plain.depth / expected.numpy() - 1).max() < 1e-3 / 2


def test_the_image_is_the_keyframes_own(result, image):
    shown = result.image
    assert shown.shape == (192, 256, 3) and shown.dtype == np.uint8
    assert np.abs(shown / 255 - image.permute(1, 2, 0).numpy()).mean() < 0.02
