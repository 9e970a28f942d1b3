"""The course of a training run: where it ends, its stages and its learning rates."""

from dataclasses import dataclass
from itertools import accumulate

from scenecode.networks.training.config import StageConfig, TrainConfig


@dataclass(frozen=True)
class Schedule:
    """What follows from the progress of a run, which goes from 0 to 1."""

    config: TrainConfig
    batches_per_epoch: int

    @property
    def stages(self) -> tuple[StageConfig, ...]:
        """At least one."""
        return self.config.stages or (StageConfig(iterations=self.iterations),)

    @property
    def iterations(self) -> int:
        """Steps of the whole run."""
        if self.config.stages:
            return sum(stage.iterations for stage in self.config.stages)
        return self.config.iterations or self.config.epochs * self.batches_per_epoch

    @property
    def epochs(self) -> int:
        """Epochs of the whole run; the last one may be shorter."""
        return -(-self.iterations // self.batches_per_epoch)

    def stage_at(self, progress: float) -> int:
        """The index of the stage."""
        return sum(progress >= end for end in self._ends()[:-1])

    def rates_at(self, progress: float, step: int) -> tuple[float, float]:
        """Learning rates of everything and of the encoder: ``(1 - progress) ** poly_power`` of
        the stage's, where ``progress`` is through the stage, after a linear rise at the start of
        the run."""
        index = self.stage_at(progress)
        stage, end = self.stages[index], self._ends()[index]
        start = self._ends()[index - 1] if index else 0.0
        factor = min(max((end - progress) / (end - start), 0.0), 1.0) ** self.config.poly_power
        factor *= min((step + 1) / max(self.config.warmup_steps, 1), 1.0)
        rate = self.config.rate if stage.rate is None else stage.rate
        encoder_rate = self.config.encoder_rate if stage.encoder_rate is None \
            else stage.encoder_rate
        return rate * factor, encoder_rate * factor

    def _ends(self) -> list[float]:
        """The progress at the end of each stage."""
        total = self.iterations
        return [done / total for done in accumulate(stage.iterations for stage in self.stages)]
