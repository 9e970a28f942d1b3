import pytest
import torch

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import NYU13, VOID
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 31.5, 64, 64)


def small_model(**changes) -> SceneCode:
    values = dict(width=64, height=64, depth_code=5, semantic_code=4, canonical_focal=60.0,
                  decoder_channels=(8, 8, 8, 8), recognition_channels=(4, 8)) | changes
    torch.manual_seed(0)
    model = SceneCode(SceneCodeConfig(**values), NYU13).double()
    for parameter in model.parameters():  # batch norm and heads start too tame to test on
        if parameter.ndim != 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return model.eval().to(memory_format=torch.channels_last)


def full_decoder(model, image, depth_code, semantic_code):
    """The paper's figure 2, literally: broadcast, 1x1 convolution, concatenation, convolution."""
    features = model.features(image[None])

    def decode(head, maps, code):
        m = head.code_map(code[None, :, None, None].expand(1, -1, *maps.shape[-2:]))
        merged = torch.cat([m, maps, m * maps], 1)
        weight = torch.cat([head.from_code.weight, head.from_features.weight,
                            head.from_product.weight], 1)
        return torch.nn.functional.conv2d(merged, weight, head.from_features.bias, padding=1)[0]

    return (decode(model.depth_head, features.depth, depth_code)[0],
            decode(model.semantic_head, features.semantic, semantic_code))


def test_prediction_is_exactly_affine_in_large_codes_borders_included():
    model = small_model()
    image = torch.rand(3, 64, 64, dtype=torch.float64)
    prediction = model.predict(image, CAMERA)
    codes = 30 * torch.randn(5, dtype=torch.float64), 30 * torch.randn(4, dtype=torch.float64)
    with torch.no_grad():
        prox, logits = full_decoder(model, image, *codes)
        fast = model.decode(model.features(image[None]), codes[0][None], codes[1][None])
    assert prediction.prox_zero.shape == (16, 16) and prediction.logits_J_code.shape[:2] == (13, 4)
    assert (prox - prediction.prox_zero).abs().max() > 1  # the codes do matter
    linear = prediction.decode(*codes)
    for got in (linear, (fast[0][0, 0], fast[1][0])):
        torch.testing.assert_close(got[0], prox, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(got[1], logits, rtol=1e-9, atol=1e-9)


def test_jacobians_are_the_derivative_that_autograd_finds():
    model = small_model()
    image = torch.rand(3, 64, 64, dtype=torch.float64)
    prediction = model.predict(image, CAMERA)
    with torch.no_grad():
        features = model.features(image[None])
    J = torch.autograd.functional.jacobian(
        lambda c: model.decode(features, c[None], None)[0][0, 0], torch.zeros(5).double())
    torch.testing.assert_close(prediction.prox_J_code, J.permute(2, 0, 1))


def test_single_precision_prediction_stays_affine():
    model = small_model().float()
    image = torch.rand(3, 64, 64)
    prediction = model.predict(image, CAMERA)
    code = 3 * torch.randn(5)
    prox, _ = full_decoder(model, image, code, torch.zeros(4))
    torch.testing.assert_close(prediction.proximity(code), prox, rtol=1e-4, atol=1e-4)


def test_without_codes_jacobians_are_empty():
    model = small_model(depth_code=0, semantic_code=0)
    image = torch.rand(3, 64, 64, dtype=torch.float64)
    prediction = model.predict(image, CAMERA)
    assert prediction.prox_J_code.shape == (0, 16, 16)
    assert prediction.logits_J_code.shape == (13, 0, 16, 16)
    assert prediction.proximity().shape == (16, 16)
    codes = model.encode(image, torch.ones(64, 64).double(),
                         torch.zeros(64, 64, dtype=torch.uint8), CAMERA)
    assert [c.shape for c in codes] == [(0,), (0,)]


def test_a_nonlinear_decoder_bends_with_its_code_and_has_no_jacobians():
    model = small_model(decoder="nonlinear")
    image = torch.rand(3, 64, 64, dtype=torch.float64)
    depth_code, semantic_code = torch.randn(1, 5).double(), torch.randn(1, 4).double()
    with torch.no_grad():
        features = model.features(image[None])
        zero = model.decode(features, 0 * depth_code, 0 * semantic_code)
        once = model.decode(features, depth_code, semantic_code)
        twice = model.decode(features, 2 * depth_code, 2 * semantic_code)
    for at_zero, at_once, at_twice, expected in zip(
            zero, once, twice, (features.prox_zero, features.logits_zero)):
        torch.testing.assert_close(at_zero, expected)
        bend = (at_twice - at_zero) - 2 * (at_once - at_zero)
        assert bend.abs().max() > 0.1 * (at_once - at_zero).abs().max() > 0
    with pytest.raises(ConfigError, match="no closed-form Jacobians.*decoder: linear"):
        model.predict(image, CAMERA)


def test_a_longer_lens_means_larger_depth():
    """Twice the focal length: the same picture was taken from twice as far away."""
    model = small_model()
    image = torch.rand(3, 64, 64, dtype=torch.float64)
    model.depth_head.from_features.weight.data.mul_(1e-2)  # keep proximity inside its range
    near = model.predict(image, CAMERA)
    far = model.predict(image, PinholeCamera(120.0, 120.0, 31.5, 31.5, 64, 64))
    assert near.average_depth == 2.0
    torch.testing.assert_close(far.depth(), 2 * near.depth())


def test_predicted_scale_is_positive_and_independent_of_the_code():
    prediction = small_model().predict(torch.rand(3, 64, 64, dtype=torch.float64), CAMERA)
    assert (prediction.prox_b > 0).all() and prediction.prox_b.shape == (16, 16)


def test_encoding_ignores_void_and_unknown_depth():
    model = small_model()
    image = torch.rand(3, 64, 64, dtype=torch.float64)
    depth = torch.rand(64, 64, dtype=torch.float64) + 1
    depth[:8, :8] = 0
    labels = torch.randint(0, 13, (64, 64), dtype=torch.uint8)
    labels[:16] = VOID
    first = model.encode(image, depth, labels, CAMERA)
    assert first[0].shape == (5,) and first[1].shape == (4,)
    assert all(torch.isfinite(c).all() for c in first)
    labels[20:40] = (labels[20:40] + 1) % 13
    second = model.encode(image, depth, labels, CAMERA)
    assert torch.equal(first[0], second[0]) and not torch.equal(first[1], second[1])


@pytest.mark.parametrize("changes, figures", [
    ({}, ["semantic_jacobians", "depth_jacobians"]), ({"depth_code": 0}, ["semantic_jacobians"]),
    ({"depth_code": 0, "semantic_code": 0}, []), ({"decoder": "nonlinear"}, [])])
def test_figures_are_drawn_of_the_codes_that_a_model_has(changes, figures):
    model = small_model(**changes)
    sample = Sample(image=torch.rand(3, 64, 64, dtype=torch.float64), depth=torch.ones(64, 64),
                    labels=torch.zeros(64, 64, dtype=torch.uint8), camera=CAMERA)
    assert [figure.name for figure in model.figures(sample)] == figures


def test_wrong_image_size_is_named():
    with pytest.raises(ValueError, match="takes 3x64x64"):
        small_model().predict(torch.rand(3, 32, 64), CAMERA)


@pytest.mark.parametrize("values", [{"width": 100}, {"depth_code": -1}, {"average_depth": 0.0},
                                    {"decoder": "nonlinear", "semantic_code": 0}])
def test_impossible_models_are_refused(values):
    with pytest.raises(ConfigError):
        SceneCodeConfig(**values)
