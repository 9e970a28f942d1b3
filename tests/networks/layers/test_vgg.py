"""VGG as encoder: DeepLab's sizes, and published weights by name."""

import pytest
import torch
from safetensors.torch import save_file

from scenecode.core.errors import CheckpointError
from scenecode.networks.layers.alexnet import AlexNetConvolutions
from scenecode.networks.layers.imagenet import load_imagenet
from scenecode.networks.layers.vgg import VGG, published_names


def test_deeplabs_features_have_an_eighth_of_the_size():
    with torch.device("meta"):
        encoder = VGG()
        maps = encoder(torch.zeros(1, 3, 321, 321))
        alexnet = AlexNetConvolutions()(torch.zeros(1, 3, 321, 321))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (64, 161, 161), (128, 81, 81), (256, 41, 41), (512, 41, 41), (512, 41, 41)]
    assert encoder.conv5_1.dilation == (2, 2) and encoder.conv4_3.dilation == (1, 1)
    assert alexnet.shape == (1, 256, 21, 21)


def test_published_weights_load_by_name(tmp_path):
    names = published_names()
    assert (names["conv1_1"], names["conv3_3"], names["conv5_3"]) == (
        "features.0", "features.14", "features.28")
    # of the first stages, with as many convolutions as the encoder may have
    source, encoder = VGG((2, 2, 3), (2, 2, 2), 1), VGG((2, 2, 2), (2, 2, 1), 1)
    path = tmp_path / "vgg16.safetensors"
    save_file({f"{names[own]}.{part}": getattr(conv, part).detach()
               for own, conv in source.named_children() for part in ("weight", "bias")}, path)
    assert load_imagenet(encoder, path) == []
    for name, conv in encoder.named_children():
        assert torch.equal(conv.weight, source.get_submodule(name).weight), name
    save_file({"other.weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="no parameter name fits VGG"):
        load_imagenet(encoder, path)
