"""Semantic codes learn through the fused labels of several views."""

import copy
from dataclasses import replace

import pytest
import torch

from scenecode.core.errors import ConfigError
from scenecode.core.strict_config import from_mapping
from scenecode.networks.classes import NYU13
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.inference.checkpoint import Checkpoint, load_checkpoint
from scenecode.slam.fusion.code_fusion import CodeFusionConfig, optimise_codes
from scenecode.slam.fusion.label_fusion import LabelFusionConfig
from scenecode.slam.training.code_agreement import (
    agreeing_codes,
    fused_at_agreement,
    fusion_loss,
)
from scenecode.slam.training.semantic_codes import (
    SemanticCodeTrainer,
    SemanticCodeTraining,
    fusion_scores,
    train,
)
from scenecode.slam.training.view_groups import room_groups
from tests.support.tiny_configs import TINY_CONFIGS

FUSION = LabelFusionConfig(code=CodeFusionConfig(effective_pixels=1e5))


def make_model(**changes):
    torch.manual_seed(2)
    mapping = TINY_CONFIGS["scenecode"]["model"] | changes
    made = SceneCode(from_mapping(SceneCodeConfig, mapping), NYU13).eval().requires_grad_(False)
    head = made.semantic_head
    if made.config.semantic_code and made.config.decoder == "linear":
        # a fresh head hardly answers to a code
        for part in (head.from_features, head.from_code, head.from_product):
            part.weight.mul_(40)
    return made


@pytest.fixture(scope="module")
def groups():
    return [group for of_room in room_groups(make_model(), 1, 3, 2, 900_000)
            for group in of_room]


@pytest.fixture()
def model():
    return make_model()


def test_undamped_steps_reach_the_codes_of_label_fusion(model, groups):
    views = groups[0].views(model, range(3))
    found = agreeing_codes(views, FUSION, 20)
    code = replace(FUSION.code, gauss_newton=replace(FUSION.code.gauss_newton, iterations=50,
                                                     tolerance=1e-9))
    expected = optimise_codes(views, code, FUSION.tolerance).state
    assert expected.abs().max() > 1e-2
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-2)


def test_gradients_flow_through_the_optimisation_of_codes(model, groups):
    """Against differences of the loss, for the weights that change it most."""
    weight = model.semantic_head.from_code.weight.requires_grad_()

    def loss():
        fused = fused_at_agreement(groups[0].views(model, range(3)), FUSION, 2)
        return fusion_loss(fused.flatten(1).T, groups[0].labels.flatten(), torch.ones(13))

    loss().backward()
    gradient = weight.grad.flatten()
    step = 2e-3
    for index in gradient.abs().topk(3).indices.tolist():
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight.view(-1)[index] += sign * step
                values.append(loss().item())
                weight.view(-1)[index] -= sign * step
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(gradient[index].item(),
                                                                     rel=0.1)


@pytest.mark.slow
def test_training_lowers_the_loss_and_leaves_the_zero_code_as_it_is(model, groups):
    before = copy.deepcopy(model.state_dict())
    trainer = SemanticCodeTrainer(model, groups, SemanticCodeTraining(
        steps=30, batch=2, rate=1e-2, fusion=FUSION))
    losses = [trainer.step() for _ in range(30)]
    assert sum(losses[-5:]) < sum(losses[:5])
    changed = {name for name, value in model.state_dict().items()
               if not torch.equal(value, before[name])}
    assert changed == {f"semantic_head.{part}.weight"
                       for part in ("code_map", "from_code", "from_product")}


def test_the_checkpoint_holds_what_was_learnt(model, groups, tmp_path):
    lines = []
    train(Checkpoint(model, {"epochs": 1}), groups, groups[:1],
          SemanticCodeTraining(steps=2, batch=1, fusion=FUSION), tmp_path, 1, lines.append)
    saved = load_checkpoint(tmp_path / "model.safetensors")
    assert saved.facts["through_fusion"]["steps"] == 2 and saved.facts["epochs"] == 1
    torch.testing.assert_close(saved.model.semantic_head.from_code.weight,
                               model.semantic_head.from_code.weight.detach(), atol=1e-3,
                               rtol=1e-3)
    assert len(lines) == 3 and "code_alone" in lines[-1]


def test_scores_of_one_view_do_not_depend_on_codes(model, groups):
    scores = fusion_scores(model, groups, 1)
    assert scores["none"] == scores["average"] == pytest.approx(scores["code_alone"])


@pytest.mark.parametrize("changes", [{"semantic_code": 0}, {"decoder": "nonlinear"}])
def test_networks_without_linear_semantic_codes_are_refused(changes, groups):
    with pytest.raises(ConfigError, match="semantic codes"):
        SemanticCodeTrainer(make_model(**changes), groups, SemanticCodeTraining())
