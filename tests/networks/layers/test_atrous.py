import torch
from torch import nn

from scenecode.networks.layers.atrous import PyramidConcat, PyramidSum


def test_a_concatenated_pyramid_sees_neighbours_at_its_rates_and_the_whole_image():
    torch.manual_seed(0)
    pyramid = PyramidConcat(2, 4, rates=(1, 3)).eval()
    features = torch.rand(1, 2, 9, 11, requires_grad=True)
    out = pyramid(features)
    assert out.shape == (1, 4, 9, 11)
    nn.init.zeros_(pyramid.image_mean.weight)
    seen = torch.autograd.grad(pyramid(features)[0, :, 4, 5].sum(), features)[0][0].abs().sum(0)
    taps = {(4 + rate * i, 5 + rate * j) for rate in (1, 3) for i in (-1, 0, 1)
            for j in (-1, 0, 1)}
    assert set(map(tuple, seen.nonzero().tolist())) <= taps
    assert seen[1, 2] > 0 and seen[3, 4] > 0


def test_a_summed_pyramid_is_the_sum_of_its_classifiers():
    torch.manual_seed(0)
    features = torch.rand(1, 3, 5, 6)
    for hidden in (0, 4):
        pyramid = PyramidSum(3, 7, rates=(1, 2), hidden=hidden, dropout=0.5).eval()
        one, two = pyramid.branches
        assert pyramid(features).shape == (1, 7, 5, 6)
        torch.testing.assert_close(pyramid(features), one(features) + two(features))
    assert [layer.weight.shape[2] for layer in one if isinstance(layer, nn.Conv2d)] == [3, 1, 1]
