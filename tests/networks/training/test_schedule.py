"""Stages, rates and groups of parameters."""

from dataclasses import replace

import pytest
import torch
from support.small_training import images
from support.tiny_family import ENTRY, TinyConfig, TinyLossConfig, TinyNetwork, TinyObjective

from scenecode.core.errors import ConfigError
from scenecode.networks.families.registry import FAMILIES
from scenecode.networks.training.config import StageConfig, TrainConfig, read_train_config
from scenecode.networks.training.schedule import Schedule
from scenecode.networks.training.trainer import Trainer

STAGES = (StageConfig(iterations=3, frozen=("trunk.",), terms=("depth",)),
          StageConfig(iterations=1, rate=0.1))


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    for name, entry in ENTRY.items():
        monkeypatch.setitem(FAMILIES, name, entry)
    monkeypatch.setattr(TinyObjective, "terms", ("depth", "labels"), raising=False)


def tiny(**changes):
    return TrainConfig(**dict(model=TinyConfig(width=64, height=64), loss=TinyLossConfig(),
                              batch_size=2, warmup_steps=1, threads=1, workers=0) | changes)


def trainer(config):
    return Trainer(config, images()[0], False, torch.device("cpu"))


def test_training_ends_after_its_iterations_and_rates_fall_in_each_stage():
    assert Schedule(tiny(epochs=2), 3).iterations == 6
    by_steps = Schedule(tiny(iterations=7), 3)
    assert (by_steps.iterations, by_steps.epochs) == (7, 3)
    schedule = Schedule(tiny(stages=STAGES, rate=1.0, encoder_rate=2.0, poly_power=1.0), 3)
    assert (schedule.iterations, schedule.epochs) == (4, 2)
    rates = [schedule.rates_at(step / 4, step) for step in range(4)]
    assert [schedule.stage_at(step / 4) for step in range(4)] == [0, 0, 0, 1]
    assert [rate for rate, _ in rates] == pytest.approx([1, 2 / 3, 1 / 3, 0.1])
    assert [rate for _, rate in rates] == pytest.approx([2, 4 / 3, 2 / 3, 2])


def test_frozen_parts_rest_until_their_stage_ends():
    run = trainer(tiny(stages=STAGES, optimiser="sgd", weight_decay=0.1, rate=0.1))
    seen = []
    for batch in run.remaining_batches():
        before = [p.clone() for p in run.model.trunk.parameters()] \
            + [run.model.trunk[1].running_mean.clone()]
        run.training_step(batch)
        after = [*run.model.trunk.parameters(), run.model.trunk[1].running_mean]
        seen.append((any(map(torch.equal, before, after)), run.objective.uses("labels")))
    run.end_epoch()
    run.training_step(next(run.remaining_batches()))
    assert seen == [(True, False)] * 3 and run.objective.uses("labels")
    assert not any(map(torch.equal, before, [*run.model.trunk.parameters()]))
    assert run.progress() == 1


def test_groups_that_the_network_names_have_rates_of_their_own(monkeypatch):
    """One step of plain gradient descent: the head moves ten times as far."""
    moved = {}
    for factor in (1.0, 10.0):
        monkeypatch.setattr(TinyNetwork, "parameter_groups", lambda _, f=factor: {"head.": f})
        run = trainer(tiny(optimiser="sgd", momentum=0.0, weight_decay=0.0, rate=1e-3))
        before = {name: p.clone() for name, p in run.model.named_parameters()}
        run.training_step(next(run.remaining_batches()))
        moved[factor] = {name: p - before[name] for name, p in run.model.named_parameters()}
    for name in before:
        factor = 10 if name.startswith("head.") else 1
        torch.testing.assert_close(moved[10.0][name], factor * moved[1.0][name], rtol=1e-2,
                                   atol=1e-6)
    monkeypatch.setattr(TinyNetwork, "parameter_groups", lambda _: {"tail.": 2.0})
    with pytest.raises(ConfigError, match="'tail.' of the network has no parameter"):
        trainer(tiny())


def test_mistakes_in_any_stage_are_told_at_the_start():
    late = StageConfig(frozen=("truck.",))
    with pytest.raises(ConfigError, match="begins with 'truck.'; its parts are trunk, head"):
        trainer(tiny(stages=(*STAGES, late)))
    with pytest.raises(ConfigError, match="no term crf; it has depth, labels"):
        trainer(tiny(stages=(*STAGES, replace(late, frozen=(), terms=("crf",)))))
    with pytest.raises(ConfigError, match="stages have their own"):
        read_train_config({"iterations": 3, "stages": [{"iterations": 2}]})
    with pytest.raises(ConfigError, match="batch_size 8 is more than the 6 images"):
        trainer(tiny(batch_size=8))
