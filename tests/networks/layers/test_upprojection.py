"""The fast form against its definition: zeros between the pixels and one 5x5 convolution."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from scenecode.networks.inference.preparation import fold_batch_norm
from scenecode.networks.layers.upprojection import (
    UpConvolution,
    UpProjection,
    make_upsampling,
    up_convolution,
)


def by_definition(x, weight, bias):
    spread = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    spread[..., ::2, ::2] = x
    return F.conv2d(spread, weight, bias, padding=2)


@pytest.mark.parametrize("size", [(4, 6), (5, 3), (1, 1)])
def test_four_convolutions_are_the_5x5_one_values_and_gradients(size):
    torch.manual_seed(0)
    inputs = [torch.randn(*shape, dtype=torch.float64, requires_grad=True)
              for shape in ((2, 3, *size), (4, 3, 5, 5), (4,))]
    out, expected = up_convolution(*inputs), by_definition(*inputs)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)
    towards = torch.randn_like(expected)
    for got, wanted in zip(torch.autograd.grad(out, inputs, towards),
                           torch.autograd.grad(expected, inputs, towards)):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["fast", "deconv", "bilinear"])
def test_blocks_double_the_size_and_batch_norm_folds(name):
    torch.manual_seed(0)
    block = make_upsampling(name, 5, 3)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight), nn.init.uniform_(module.bias)
            module.running_mean.uniform_(-1, 1), module.running_var.uniform_(0.5, 2)
    x = torch.randn(2, 5, 3, 4)
    block.eval()
    expected = block(x)
    assert expected.shape == (2, 3, 6, 8)
    fold_batch_norm(block)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in block.modules())
    torch.testing.assert_close(block(x), expected, rtol=1e-5, atol=1e-6)


def test_a_projection_is_two_up_convolutions_with_a_convolution_in_one_branch():
    torch.manual_seed(0)
    block, x = UpProjection(2, 3).eval(), torch.randn(1, 2, 4, 4)

    def normed(maps, norm):
        return F.batch_norm(maps, norm.running_mean, norm.running_var, norm.weight, norm.bias)

    def up(part):
        assert isinstance(part.conv, UpConvolution) and part.conv.weight.shape == (3, 2, 5, 5)
        return normed(by_definition(x, part.conv.weight, None), part.norm)

    inner = F.conv2d(up(block.up).relu(), block.conv.conv.weight, padding=1)
    expected = (normed(inner, block.conv.norm) + up(block.shortcut)).relu()
    torch.testing.assert_close(block(x), expected, rtol=1e-5, atol=1e-6)
