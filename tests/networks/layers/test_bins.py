import pytest
import torch

from scenecode.core.errors import ConfigError
from scenecode.networks.layers.bins import DepthBins, bin_edges


def test_sid_edges_have_a_constant_ratio_and_ud_edges_a_constant_difference():
    sid, ud = (bin_edges(spacing, 1.0, 80.0, 71) for spacing in ("sid", "ud"))
    for edges in (sid, ud):
        assert len(edges) == 72
        assert edges[[0, -1]].tolist() == pytest.approx([1, 80])
    ratio = sid[1:] / sid[:-1]
    torch.testing.assert_close(ratio, torch.full_like(ratio, 1.06366), rtol=1e-5, atol=0)
    torch.testing.assert_close(ud.diff(), torch.full((71,), 79 / 71, dtype=torch.float64))
    for low, high, bins in ((0.0, 5.0, 9), (2.0, 2.0, 9), (1.0, 2.0, 1)):
        with pytest.raises(ConfigError, match="depth bins need"):
            bin_edges("sid", low, high, bins)


@pytest.mark.parametrize("spacing", ["sid", "ud"])
def test_a_depth_survives_its_bin_to_half_the_width_of_that(spacing):
    bins = DepthBins(spacing, 1.0, 80.0, 71)
    depth = torch.linspace(1.001, 79.99, 4001)
    label = bins.label(depth)
    decoded = bins.log_depth[label].exp()
    assert torch.equal(bins.label(decoded), label)
    half_width = (bins.log_width[label] / 2).exp()
    assert bool(((decoded / depth).log().abs().exp() <= half_width * (1 + 1e-5)).all())
    assert bins.label(torch.tensor([0.0, 0.3, 80.0, 900.0])).tolist() == [0, 0, 70, 70]
    if spacing == "sid":
        assert (decoded / depth - 1).abs().mean() == pytest.approx(0.0154, abs=5e-4)


@pytest.mark.parametrize("spacing", ["sid", "ud"])
def test_decoding_gives_depth_and_the_deviation_of_its_logarithm(spacing):
    bins = DepthBins(spacing, 1.0, 16.0, 4)
    probability = torch.tensor([0.1, 0.6, 0.3, 0.0]).double()
    logits = (probability + 1e-30).log().float()[None, :, None, None]
    # many depths, evenly distributed in log depth inside each bin
    log_edges = bin_edges(spacing, 1.0, 16.0, 4).log()
    parts = (torch.arange(1000).double() + 0.5) / 1000
    samples = log_edges[:-1, None] + log_edges.diff()[:, None] * parts
    mean = (samples.mean(1) * probability).sum()
    for how, log_depth in (("argmax", bins.log_depth[1].double()), ("expectation", mean)):
        variance = ((samples - log_depth).square().mean(1) * probability).sum()
        depth, std = bins.decode(logits, how)
        assert depth.item() == pytest.approx(log_depth.exp().item(), rel=1e-5)
        assert std.item() == pytest.approx(variance.sqrt().item(), rel=1e-4)
