"""Pictures of what single code entries change (as the paper's figure 6)."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from torch import Tensor

from scenecode.core.colours import signed_colours
from scenecode.core.images import image_to_uint8
from scenecode.core.titles import FONT, FONT_SCALE, title_row
from scenecode.networks.classes import ClassSet
from scenecode.networks.families.network import Figure
from scenecode.networks.prediction import resize_maps

#: Code entries shown: of the semantic code (a row each, over all classes; the paper's figure 6
#: has two) and of the depth code.
SEMANTIC_ENTRIES, DEPTH_ENTRIES = 3, 13
#: Derivatives beyond this quantile of a row's are drawn as the strongest.
STRONGEST = 0.995

_SEMANTIC = ("How the strongest entries of the semantic code move the logits of each class: red "
             "raises, blue lowers.")
_DEPTH = ("How the strongest entries of the depth code move proximity: red brings nearer, blue "
          "takes farther.")


def jacobian_figures(image: Tensor, classes: ClassSet, J_prox: Tensor,
                     J_logits: Tensor) -> list[Figure]:
    """``semantic_jacobians`` and ``depth_jacobians`` of an image (3, H, W), for those codes that
    are not empty; ``J_prox`` (1, Kd, h, w), ``J_logits`` (C, Ks, h, w)."""
    figures = []
    if J_logits.shape[1]:
        rows = {f"entry {k}": J_logits[:, k]
                for k in strongest_entries(J_logits, SEMANTIC_ENTRIES)}
        figures.append(Figure(name="semantic_jacobians", caption=_SEMANTIC,
                              picture=jacobian_sheet(image, classes.names, rows)))
    if J_prox.shape[1]:
        entries = strongest_entries(J_prox, DEPTH_ENTRIES)
        columns = [f"entry {k}" for k in entries]
        figures.append(Figure(name="depth_jacobians", caption=_DEPTH,
                              picture=jacobian_sheet(image, columns, {"": J_prox[0, entries]})))
    return figures


def jacobian_sheet(image: Tensor, columns: Sequence[str],
                   rows: Mapping[str, Tensor]) -> np.ndarray:
    """Titled rows of Jacobian maps (N, h, w), N ``columns``, by name, each next to the image
    (3, H, W) at half its size: red raises, blue lowers; uint8 RGB.

    Every row is scaled by its own strongest derivatives, so that maps within it can be compared.
    """
    _, height, width = image.shape
    size = (width // 2, height // 2)
    small = cv2.resize(image_to_uint8(image), size, interpolation=cv2.INTER_AREA)
    lines = [title_row(["", *columns], size[0])]
    for name, maps in rows.items():
        maps = resize_maps(maps, *size).cpu()
        strength = maps.abs().flatten().quantile(STRONGEST).clamp(min=1e-12)
        named = cv2.putText(small.copy(), name, (4, size[1] - 6), FONT, FONT_SCALE,
                            (255, 255, 255), 1, cv2.LINE_AA)
        lines.append(np.hstack([named, *map(signed_colours, (maps / strength).numpy())]))
    return np.vstack(lines)


def strongest_entries(J: Tensor, count: int) -> list[int]:
    """The code entries of J (outputs, code, h, w) with the largest mean absolute derivative."""
    influence = J.abs().mean((0, 2, 3))
    return influence.topk(min(count, len(influence))).indices.tolist()
