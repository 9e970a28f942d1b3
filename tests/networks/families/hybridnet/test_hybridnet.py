"""HybridNet: what its variants are made of, their sizes, losses, stages and tiles."""

from dataclasses import replace

import pytest
import torch

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import CITYSCAPES_19, NYU13
from scenecode.networks.data.mixed import Batch
from scenecode.networks.distributed import Processes
from scenecode.networks.families.hybridnet.config import HybridNetConfig
from scenecode.networks.families.hybridnet.family import FAMILY
from scenecode.networks.families.hybridnet.objective import (
    HybridNetLossConfig,
    gradient_error,
    normalised_error,
)
from scenecode.networks.families.hybridnet.tiles import JoinedTiles, tile_corners, tile_starts

SMALL = HybridNetConfig(
    backbone="mobilenetv2", width=96, height=64, pyramid_rates=(1, 2), pyramid_channels=8,
    dropout=0.0, global_channels=(8, 8, 8, 8, 8), global_neurons=8, refining_image_channels=7,
    refining_channels=8, canonical_focal=89.0)


def build(**changes):
    torch.manual_seed(0)
    return FAMILY.build(replace(SMALL, **changes), NYU13)


def random_batch(width=96, height=64):
    generator = torch.Generator().manual_seed(1)
    depth = 1 + 3 * torch.rand((2, height, width), generator=generator)
    return Batch(image=torch.rand((2, 3, height, width), generator=generator), depth=depth,
                 valid=depth > 0, labels=torch.randint(13, depth.shape, generator=generator))


def test_the_papers_networks_have_its_sizes():
    with torch.device("meta"):
        network = FAMILY.build(HybridNetConfig(), CITYSCAPES_19)
        output = network(torch.zeros(1, 3, 321, 321))
        depthnet = FAMILY.build(HybridNetConfig(variant="depthnet"), CITYSCAPES_19)
        separate = depthnet(torch.zeros(1, 3, 321, 321))
    assert output.logits.shape == (1, 19, 41, 41)
    assert output.depth.shape == (1, 1, 81, 81)
    assert output.global_depth.shape == (1, 1, 41, 41) and output.gradient is None
    assert separate.gradient.shape == (1, 2, 41, 41) and separate.depth.shape == (1, 1, 81, 81)
    assert network.global_network.output.weight.shape == (1681, 1024)
    pyramid = [[tuple(m.weight.shape) for m in branch if hasattr(m, "weight")]
               for branch in network.pyramid.branches]
    assert pyramid == 4 * [[(1024, 512, 3, 3), (1024, 1024, 1, 1), (19, 1024, 1, 1)]]
    assert network.refining_network.convs[0].in_channels == 63 + 512 + 1


@pytest.mark.parametrize(("variant", "labels", "depth", "parts", "c_maps"), [
    ("a1", True, True, {"backbone", "pyramid", "refining_network", "log_depth_std"}, 320),
    ("a2", True, True, {"backbone", "pyramid", "global_network", "refining_network",
                        "log_depth_std"}, 321),
    ("aspp", True, False, {"backbone", "pyramid"}, None),
    ("depthnet", False, True, {"global_network", "gradient_network", "refining_network",
                               "log_depth_std"}, 3)])
def test_variants_are_made_of_their_parts(variant, labels, depth, parts, c_maps):
    network = build(variant=variant).eval()
    assert {name for name, part in network.named_children() if part is not None} == parts
    assert (network.predicts_labels, network.predicts_depth) == (labels, depth)
    if c_maps is not None:
        assert network.refining_network.convs[0].in_channels == 7 + c_maps
    camera = network.geometry.canonical_camera()
    prediction = network.predict(random_batch().image[0], camera)
    assert prediction.logits_zero.shape[0] == 13 and (prediction.prox_b > 0).all()
    longer = replace(camera, fx=2 * camera.fx, fy=2 * camera.fy)
    torch.testing.assert_close(network.predict(random_batch().image[0], longer).depth(),
                               2 * prediction.depth())


def test_shared_features_learn_from_both_tasks_and_stages_teach_the_parts_of_depth():
    def touched(variant, *terms):
        network = build(variant=variant)
        objective = FAMILY.objective(HybridNetLossConfig(), torch.ones(13), Processes())
        objective.use(terms)
        total, parts = objective(network, random_batch(), 0.0, torch.Generator())
        total.backward()
        return set(parts), {name for name, part in network.named_children() if part is not None
                            and any(p.grad is not None and p.grad.abs().sum() > 0
                                    for p in part.parameters())}

    assert touched("a2", "depth")[1] == {"backbone", "global_network", "refining_network"}
    assert touched("a1", "labels")[1] == {"backbone", "pyramid"}
    assert touched("a2")[0] == {"labels", "depth", "depth_normalised"}
    assert touched("depthnet", "global") == ({"global", "global_normalised"}, {"global_network"})
    assert touched("depthnet", "gradient") == ({"gradient"}, {"gradient_network"})
    assert touched("aspp") == ({"labels"}, {"backbone", "pyramid"})


def test_the_normalised_error_knows_no_scale_and_no_offset():
    truth = random_batch().depth[:, None]
    truth[0, 0, :5] = 0
    assert normalised_error(truth, truth) < 1e-9
    assert normalised_error(0.5 * truth + 3, truth) < 1e-5
    # by hand: -1, 1 against 1, -1, each a mean of 0 and a deviation of 1
    depth = torch.tensor([[[[1.0, 3.0]]]])
    torch.testing.assert_close(normalised_error(depth.flip(3), depth), torch.tensor(4.0),
                               rtol=1e-4, atol=0)


def test_the_gradient_error_is_zero_for_the_absolute_differences():
    truth = torch.tensor([[[[1.0, 2.0, 0.0], [4.0, 2.0, 1.0]]]])
    estimate = torch.tensor([[[[1.0, 9.0, 9.0], [2.0, 1.0, 9.0]],
                              [[3.0, 0.0, 9.0], [9.0, 9.0, 9.0]]]])  # 9: next pixel unknown
    assert gradient_error(estimate, truth) == 0
    assert gradient_error(estimate + 1, truth) == 1


def test_28_tiles_of_321_pixels_cover_a_frame_of_cityscapes():
    corners = tile_corners(2048, 1024, 321)
    assert len(corners) == 28 and tile_starts(321, 321) == [0]
    covered = torch.zeros(1024, 2048, dtype=torch.int)
    for row, column in corners:
        covered[row:row + 321, column:column + 321] += 1
    assert covered.min() == 1 and covered.sum() == 28 * 321 ** 2


def test_overlapping_tiles_take_the_surer_label_and_the_mean_depth():
    joined = JoinedTiles(2, 3, 2, torch.device("cpu"))
    sure, unsure = torch.tensor([4.0, 0.0]), torch.tensor([0.0, 1.0])
    for column, logits, depth in ((0, sure, 2.0), (1, unsure, 4.0)):
        joined.add(0, column, logits[:, None, None].expand(2, 2, 2), torch.full((2, 2), depth))
    logits, depth = joined.maps()
    assert logits.argmax(0).tolist() == 2 * [[0, 0, 1]]
    assert depth.tolist() == 2 * [[2.0, 3.0, 4.0]]


def test_tiles_are_trained_on_and_joined_to_the_size_of_the_image():
    network = build(width=160, height=96, tile=64)
    objective = FAMILY.objective(HybridNetLossConfig(), torch.ones(13), Processes())
    total, _ = objective(network, random_batch(160, 96), 0.0, torch.Generator().manual_seed(2))
    assert total.isfinite()
    network.eval()
    prediction = network.predict(random_batch(160, 96).image[0],
                                 network.geometry.canonical_camera())
    assert prediction.prox_zero.shape == (96, 160) == prediction.logits_zero.shape[1:]
    with pytest.raises(ConfigError, match="tile must be 0 or lie between"):
        HybridNetConfig(tile=400)
