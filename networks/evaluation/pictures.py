"""Pictures of a network's answers to labelled images (as the paper's figure 5)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from scenecode.core.colours import amount_colours, depth_colours
from scenecode.core.images import image_to_uint8, write_rgb
from scenecode.core.titles import title_row
from scenecode.networks.classes import VOID, ClassSet
from scenecode.networks.evaluation.comparison import Comparison, compare
from scenecode.networks.families.network import Answer, Network, answer_title
from scenecode.networks.sample import LabelledImages

#: Images of a data set that are shown during training.
SAMPLES = 4
#: Laplace scale of proximity that is drawn as fully uncertain: twice a usual error.
FULLY_UNCERTAIN = 0.08


def prediction_sheet(comparisons: Sequence[Comparison], classes: ClassSet) -> np.ndarray:
    """A row of titled columns for each image; uint8 RGB: the image, the depth of the truth and
    of each answer and its uncertainty, likewise labels and their entropy.  Depth as
    ``scenecode.core.colours.depth_colours``, labels in the classes' colours, unknown black."""
    rows = [_columns(comparison, classes) for comparison in comparisons]
    width = comparisons[0].sample.image.shape[2]
    return np.vstack([title_row(list(rows[0]), width),
                      *(np.hstack(list(row.values())) for row in rows)])


def _columns(comparison: Comparison, classes: ClassSet) -> dict[str, np.ndarray]:
    """Pictures (H, W, 3) by their titles."""
    truth, answers, first = comparison.sample, comparison.answers, comparison.of_image
    return {
        "image": image_to_uint8(truth.image),
        "depth, true": depth_colours(truth.depth.numpy()),
        **{f"depth, {answer_title(name)}": _depth_picture(answer, truth.depth)
           for name, answer in answers.items()},
        "depth uncertainty": amount_colours(
            _or_zeros(first.prox_b, truth.depth) / FULLY_UNCERTAIN),
        "labels, true": classes.paint(truth.labels),
        **{f"labels, {answer_title(name)}": _label_picture(answer, truth.labels, classes)
           for name, answer in answers.items()},
        "label entropy": amount_colours(_or_zeros(
            None if first.logits is None else relative_entropy(first.logits), truth.depth))}


def _depth_picture(answer: Answer, like: Tensor) -> np.ndarray:
    return depth_colours(_or_zeros(answer.depth, like))


def _label_picture(answer: Answer, like: Tensor, classes: ClassSet) -> np.ndarray:
    labels = answer.labels
    return classes.paint(like.new_full(like.shape, VOID) if labels is None else labels)


def _or_zeros(values: Tensor | None, like: Tensor) -> np.ndarray:
    return (like.new_zeros(like.shape) if values is None else values).numpy()


def relative_entropy(logits: Tensor) -> Tensor:
    """Entropy of the class probabilities of (C, H, W), as a part of the largest there can be."""
    log_p = logits.log_softmax(0)
    return -(log_p.exp() * log_p).sum(0) / np.log(max(len(logits), 2))


def evenly_spaced(length: int, count: int) -> list[int]:
    """Up to ``count`` indices, evenly spaced over ``length``."""
    return np.linspace(0, length - 1, min(count, length)).round().astype(int).tolist()


def save_sample_pictures(path: Path, model: Network, data: LabelledImages) -> None:
    """A ``prediction_sheet`` of a few images of a data set, as PNG."""
    comparisons = [compare(model, data[index])
                   for index in evenly_spaced(len(data), SAMPLES)]
    write_rgb(path, prediction_sheet(comparisons, model.classes))
