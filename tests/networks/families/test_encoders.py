"""Encoders of shipped networks with which networks of other families start."""

import pytest

from scenecode.core.shipped import find_config
from scenecode.core.strict_config import load_yaml
from scenecode.networks.classes import NYU_40
from scenecode.networks.inference.checkpoint import find_weights, load_checkpoint
from scenecode.networks.training.config import read_train_config


@pytest.mark.parametrize("name", ["depth_bins_nyuv2", "hybridnet_a2_nyuv2",
                                  "multiscale_crf_nyuv2", "twins_nyuv2"])
def test_the_small_configurations_take_a_shipped_encoder(name):
    config = read_train_config(load_yaml(find_config(name, "train")), name)
    network = config.family.build(config.model, NYU_40)
    taken = network.transferable_state(load_checkpoint(find_weights(config.start_from)).model)
    assert taken and set(taken) == {key for key in network.state_dict()
                                    if key.startswith("backbone.")}


def test_an_encoder_of_another_kind_is_not_taken():
    config = read_train_config({"model": {"architecture": "hybridnet", "backbone": "resnet18",
                                          "width": 64, "height": 64}})
    network = config.family.build(config.model, NYU_40)
    assert network.transferable_state(load_checkpoint(find_weights("scenecode_lite1")).model) \
        is None
