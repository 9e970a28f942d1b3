"""Make the scale ``b`` that a network predicts for proximity true on images that it has not seen.

    python -m scenecode.networks.families.scenecode.experiments.calibrate_scale \\
        runs/lite/model.safetensors --data nyuv2 --split val --out model.safetensors

Training finds ``b`` (paper section 3.1) on images that the network comes to know by heart, and so
too small.  The bias of the scale head is moved until the mean of |error| / b is 1 on other images:
all scales change by about one factor, which of them are large stays.
"""

import argparse
import copy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch

from scenecode.core.console import make_console
from scenecode.core.errors import CheckpointError, ScenecodeError
from scenecode.networks.data.cached import CachedImages
from scenecode.networks.data.datasets import DatasetName
from scenecode.networks.evaluation.evaluate import evaluate
from scenecode.networks.evaluation.scored_data import open_scored
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.inference.checkpoint import (
    find_weights,
    load_checkpoint,
    save_checkpoint,
)
from scenecode.networks.sample import LabelledImages

#: How far the mean of |error| / b may be from 1 in the end.
TOLERANCE = 2e-3
#: The bias is looked for this far on either side of what it was.
RANGE = 4.0


def scaled_error(model: SceneCode, data: LabelledImages) -> float:
    """The mean of |error| / b of the zero code over all pixels of known depth."""
    error: float = evaluate(model, data).calibration()["zero_code"]["depth"]["mean_scaled_error"]
    return error


def calibrated(model: SceneCode, data: LabelledImages) -> SceneCode:
    """A copy of ``model`` whose |error| / b is 1 on average over ``data``.

    Raises ``CheckpointError`` where no bias of the scale head gives that.
    """
    model = copy.deepcopy(model).eval()
    bias = model.scale_head.bias
    assert bias is not None
    before = bias.detach().clone()
    low, high = -RANGE, RANGE
    while True:
        middle = 0.5 * (low + high)
        with torch.no_grad():
            bias.copy_(before + middle)
        error = scaled_error(model, data)
        if abs(error - 1) <= TOLERANCE:
            return model
        if high - low < 1e-3:
            raise CheckpointError(f"no bias of the scale head within {RANGE} of its own makes the "
                                  f"scale true: |error| / b stays {error:.2f}")
        low, high = (middle, high) if error > 1 else (low, middle)


def main(arguments: Sequence[str] | None = None) -> int:
    """Calibrate a checkpoint; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="shipped name or file")
    parser.add_argument("--data", choices=get_args(DatasetName), default="nyuv2",
                        help="data set of the images (default %(default)s)")
    parser.add_argument("--root", metavar="DIR", help="its folder, absolute or below "
                        "$SCENECODE_DATA (default: its name)")
    parser.add_argument("--split", default="val", help="part of it (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    options = parser.parse_args(arguments)
    try:
        checkpoint = load_checkpoint(find_weights(options.weights))
        model = checkpoint.model
        if not isinstance(model, SceneCode):
            raise CheckpointError(f"{options.weights}: only networks of architecture 'scenecode' "
                                  "have a scale head")
        data = CachedImages(open_scored(model, options.data, options.root, options.split,
                                        None)[1])
        result = calibrated(model, data)
    except ScenecodeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    where = f"{options.data} {options.split}"
    facts = checkpoint.facts | {"scale_calibrated_on": where}
    save_checkpoint(options.out, result, facts, half=True)
    make_console().print(f"{where}, {len(data)} images: mean |error| / b "
                         f"{scaled_error(model, data):.3f} -> {scaled_error(result, data):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
