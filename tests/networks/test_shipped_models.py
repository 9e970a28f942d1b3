"""The shipped networks beside the default one, on images that the project renders itself."""

import pytest
import torch

from scenecode.networks.classes import CITYSCAPES_19, NYU13, NYU_40
from scenecode.networks.data.rooms.images import RoomsImages, ViewsConfig
from scenecode.networks.data.streets.images import StreetsImages
from scenecode.networks.data.streets.images import ViewsConfig as StreetViewsConfig
from scenecode.networks.evaluation.evaluate import evaluate_model
from scenecode.networks.evaluation.translated import Translated
from scenecode.networks.inference.checkpoint import find_weights, load_checkpoint


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_twins_of_streets_knows_unseen_streets():
    model = load_checkpoint(find_weights("twins_streets")).model
    assert model.classes == CITYSCAPES_19
    streets = StreetsImages(StreetViewsConfig(streets=1, views_per_street=2, first_seed=5_003,
                                              width=model.width, height=model.height))
    scores = evaluate_model(model, streets)["network"]
    assert scores["pixel_accuracy"] > 0.75 and scores["abs_rel"] < 0.25


@pytest.mark.parametrize("name", ["twins_nyuv2", "hybridnet_nyuv2", "multiscale_crf_nyuv2"])
def test_networks_of_nyuv2_know_rooms_that_they_never_saw_the_like_of(name):
    model = load_checkpoint(find_weights(name)).model
    assert model.classes == NYU_40
    rooms = RoomsImages(ViewsConfig(rooms=2, views_per_room=1, first_seed=7_000,
                                    width=model.width, height=model.height))
    scores = next(iter(evaluate_model(Translated(model, NYU13), rooms).values()))
    assert scores["pixel_accuracy"] > 0.4 and scores["abs_rel"] < 0.4
