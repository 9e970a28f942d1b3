"""The mean of the weights of several trained networks (Wortsman et al. 2022, "model soups").

Runs that started from one another stay in one basin of the loss; the mean of their weights has a
lower error than either, at the cost of one.

    python -m scenecode.networks.training.average runs/third/model.safetensors \\
        runs/fourth/model.safetensors --out mean.safetensors
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from scenecode.core.errors import CheckpointError, ScenecodeError
from scenecode.networks.inference.checkpoint import (
    Checkpoint,
    find_weights,
    load_checkpoint,
    save_checkpoint,
)


def average(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """One model whose every weight is the mean of theirs; its facts are those of the last, with
    their number as ``averaged``.  Raises ``CheckpointError`` unless all have one shape and label
    set."""
    *others, last = checkpoints
    for other in others:
        if (other.model.config, other.model.classes) != (last.model.config, last.model.classes):
            raise CheckpointError("only networks of one configuration and label set can be "
                                  "averaged; train them from one another")
    states = [checkpoint.model.state_dict() for checkpoint in checkpoints]
    mean = {name: torch.stack([state[name].double() for state in states]).mean(0).to(value)
            for name, value in states[-1].items()}
    last.model.load_state_dict(mean)
    return Checkpoint(last.model, last.facts | {"averaged": len(states)})


def main(arguments: Sequence[str] | None = None) -> int:
    """Average the files named; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", help="shipped names or files")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    args = parser.parse_args(arguments)
    try:
        result = average([load_checkpoint(find_weights(name)) for name in args.weights])
    except ScenecodeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    save_checkpoint(args.out, result.model, result.facts, half=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
