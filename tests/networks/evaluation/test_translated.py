"""A network scored in another label set than its own."""

from dataclasses import replace

import pytest
import torch

from scenecode.core.errors import DataError
from scenecode.networks.classes import CAMVID_11, CITYSCAPES_19, NYU13, VOID, ClassSet
from scenecode.networks.data.rooms.images import RoomsImages, ViewsConfig
from scenecode.networks.evaluation.translated import Translated
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.families.scenecode.model import SceneCode

CONFIG = SceneCodeConfig(width=64, height=64, depth_code=2, semantic_code=2,
                         decoder_channels=(8, 8, 8, 8), recognition_channels=(4, 4))


@pytest.fixture(scope="module")
def sample():
    return RoomsImages(ViewsConfig(rooms=1, views_per_room=1, first_seed=7_000, width=64,
                                   height=64))[0]


def network(classes) -> SceneCode:
    torch.manual_seed(0)
    return SceneCode(CONFIG, classes).eval()


def test_probabilities_of_classes_that_another_set_joins_add_up(sample):
    own = network(CITYSCAPES_19)
    before = own.predict(sample.image, sample.camera).logits_zero.softmax(0)
    after = Translated(own, CAMVID_11).predict(sample.image, sample.camera).logits_zero.exp()
    cars = [CITYSCAPES_19.names.index(name) for name in ("car", "truck", "bus", "train")]
    torch.testing.assert_close(after[CAMVID_11.names.index("car")], before[cars].sum(0))
    torch.testing.assert_close(after.sum(0), torch.ones_like(after[0]))


def test_answers_do_not_depend_on_labels_of_the_other_set(sample):
    translated = Translated(network(CITYSCAPES_19), CAMVID_11)
    void = replace(sample, labels=torch.full_like(sample.labels, VOID))
    some, none = (translated.answers(s)["encoded"].logits for s in (sample, void))
    assert len(some) == len(CAMVID_11) and torch.equal(some, none)


def test_sets_without_a_common_class_are_refused():
    with pytest.raises(DataError, match="none of the network's classes"):
        Translated(network(NYU13), ClassSet(("cat",), ((1, 2, 3),)))
