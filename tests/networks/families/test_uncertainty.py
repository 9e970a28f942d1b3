"""The standard deviation of ln depth by bands of depth."""

import torch

from scenecode.networks.classes import NYU13
from scenecode.networks.families.geometry import Geometry
from scenecode.networks.families.uncertainty import DEFAULT_STD, LogDepthStd
from scenecode.networks.prediction import Prediction

GEOMETRY = Geometry(width=64, height=48, canonical_focal=60.0, average_depth=2.0, max_depth=20.0)


def test_it_finds_how_errors_grow_with_depth():
    """Errors of ln depth that are Laplace distributed, 0.1 near and 0.4 far."""
    generator = torch.Generator().manual_seed(0)
    depth = torch.exp(torch.rand(200, 200, generator=generator) * 5.5 - 2.5)
    std = torch.where(depth < 2, 0.1, 0.4)
    uniform = torch.rand(200, 200, generator=generator) - 0.5
    error = -std / 2 ** 0.5 * uniform.sign() * torch.log1p(-2 * uniform.abs())
    truth = depth * error.exp()
    truth[:, :20] = 0.0
    model = LogDepthStd(GEOMETRY)
    assert torch.allclose(model(depth), torch.tensor(DEFAULT_STD))
    model.fit([(depth[:100], truth[:100]), (depth[100:], truth[100:])])
    found = model(torch.tensor([0.01, 0.6, 1.0, 5.0, 15.0, 1e4]))
    torch.testing.assert_close(found, torch.tensor([0.1, 0.1, 0.1, 0.4, 0.4, 0.4]), rtol=0.15,
                               atol=0.0)
    again = LogDepthStd(GEOMETRY)
    again.load_state_dict(model.state_dict())
    again.fit([(depth, torch.zeros_like(depth))])
    torch.testing.assert_close(again(depth), model(depth))


def test_its_laplace_scale_of_proximity():
    depth = torch.tensor([[0.5, 2.0, 12.0]])
    prediction = Prediction.without_codes(depth, 0.3 * depth, torch.zeros(13, 1, 3), NYU13, 2.0)
    p = prediction.prox_zero
    torch.testing.assert_close(prediction.prox_b, 0.3 * p * (1 - p) / 2 ** 0.5)
