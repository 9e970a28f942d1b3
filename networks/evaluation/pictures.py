"""Pictures of what a model makes of labelled images (as the paper's figures 5 and 6)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.core.colours import amount_colours, depth_colours, signed_colours
from scenecode.networks.classes import ClassSet
from scenecode.networks.data.base.sample import LabelledImages
from scenecode.networks.evaluation.comparison import Comparison, compare
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.prediction import resize_maps

#: Images shown of training, spread over the data set.
SAMPLES = 4
#: Columns of ``prediction_sheet``.
COLUMNS = ("image", "depth, true", "depth, zero code", "depth, encoded", "depth uncertainty",
           "labels, true", "labels, zero code", "labels, encoded", "label entropy")
#: Laplace scale of proximity that is drawn as fully uncertain: twice a usual error.
FULLY_UNCERTAIN = 0.08
#: Influence beyond this part of a row's strongest pixels is drawn as the strongest.
STRONGEST = 0.995
#: Height of a line of titles, and their type.
TITLE_HEIGHT, FONT, FONT_SCALE = 24, cv2.FONT_HERSHEY_SIMPLEX, 0.42


def prediction_sheet(comparisons: Sequence[Comparison], classes: ClassSet) -> np.ndarray:
    """A row of ``COLUMNS`` for each image, titled; uint8 RGB.  Depth as
    ``scenecode.core.colours.depth_colours``, labels in the classes' colours, unknown black."""
    rows = [titles(COLUMNS, comparisons[0].sample.image.shape[2])]
    for comparison in comparisons:
        truth = comparison.sample
        views = comparison.zero, comparison.encoded
        depths = [truth.depth, *(view.depth for view in views)]
        labels = [truth.labels, *(view.labels for view in views)]
        uncertain = comparison.prox_b.numpy() / FULLY_UNCERTAIN
        rows.append(np.hstack([
            rgb(truth.image), *(depth_colours(depth.numpy()) for depth in depths),
            amount_colours(uncertain), *map(classes.paint, labels),
            amount_colours(entropy(comparison.zero.logits).numpy())]))
    return np.vstack(rows)


def entropy(logits: Tensor) -> Tensor:
    """Entropy of the class probabilities of (C, H, W), as a part of the largest there can be."""
    log_p = logits.log_softmax(0)
    return -(log_p.exp() * log_p).sum(0) / np.log(max(len(logits), 2))


def jacobian_sheet(image: Tensor, columns: Sequence[str],
                   rows: Mapping[str, Tensor]) -> np.ndarray:
    """Titled rows of Jacobian maps (N, h, w), N ``columns``, by name, each beside the image
    (3, H, W) at half its size: red raises, blue lowers; uint8 RGB.

    Every row has its own strength, so that colours within it can be compared.
    """
    _, height, width = image.shape
    size = (width // 2, height // 2)
    small = cv2.resize(rgb(image), size, interpolation=cv2.INTER_AREA)
    lines = [titles(["", *columns], size[0])]
    for name, maps in rows.items():
        maps = resize_maps(maps, *size).cpu()
        strength = maps.abs().flatten().quantile(STRONGEST).clamp(min=1e-12)
        named = cv2.putText(small.copy(), name, (4, size[1] - 6), FONT, FONT_SCALE,
                            (255, 255, 255), 1, cv2.LINE_AA)
        lines.append(np.hstack([named, *map(signed_colours, (maps / strength).numpy())]))
    return np.vstack(lines)


def strongest_entries(J: Tensor, count: int) -> list[int]:
    """The code entries of J (outputs, code, h, w) with the largest mean influence."""
    influence = J.abs().mean((0, 2, 3))
    return influence.topk(min(count, len(influence))).indices.tolist()


def titles(names: Sequence[str], width: int) -> np.ndarray:
    """A line of names, each ``width`` pixels wide."""
    line = np.full((TITLE_HEIGHT, width * len(names), 3), 255, np.uint8)
    for i, name in enumerate(names):
        cv2.putText(line, name, (i * width + 4, TITLE_HEIGHT - 8), FONT, FONT_SCALE, (0, 0, 0), 1,
                    cv2.LINE_AA)
    return line


def rgb(image: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] to (H, W, 3) uint8."""
    return (image.permute(1, 2, 0) * 255).byte().cpu().numpy()


def write_rgb(path: Path, picture: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB; raises ``OSError`` where it cannot be written."""
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise OSError(f"{path}: could not be written")


def spread(length: int, count: int) -> list[int]:
    """Up to ``count`` indices spread evenly over ``length``."""
    return np.linspace(0, length - 1, min(count, length)).round().astype(int).tolist()


@torch.no_grad()
def save_sample_pictures(path: Path, model: SceneCode, data: LabelledImages) -> None:
    """A ``prediction_sheet`` of a few images of a data set, as PNG."""
    comparisons = [compare(model, data[index]) for index in spread(len(data), SAMPLES)]
    write_rgb(path, prediction_sheet(comparisons, model.classes))
