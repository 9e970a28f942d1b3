"""Pictures of label fusion (paper, figures 7 and 8): labels and entropy, before and after."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.core.images import image_to_uint8, write_rgb
from scenecode.networks.classes import ClassSet
from scenecode.networks.prediction import Predictor
from scenecode.slam.benchmarks.fusion_scenes import Group
from scenecode.slam.fusion.label_fusion import LabelFusion, LabelFusionConfig

#: Pictures written, of the first references.
COUNT = 24
#: Methods whose labels are shown, in order; the first and the last also with their entropy.
SHOWN = ("none", "multiplication", "average", "code_alone", "code")


class PictureFolder:
    """A folder of pictures, one for each of the first ``COUNT`` references."""

    def __init__(self, folder: Path, classes: ClassSet):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._classes, self._written = folder, classes, 0

    def write(self, group: Group, predictor: Predictor, views: int,
             config: LabelFusionConfig) -> None:
        """Write a picture with a column for each view, the others in turn as reference."""
        if self._written >= COUNT:
            return
        label_views = group.views(predictor)[:views]
        columns = []
        for n, frame in enumerate(group.frames[:views]):
            ordered = [label_views[n], *label_views[:n], *label_views[n + 1:]]
            fusion = LabelFusion(ordered, config)
            fused = {method: fusion.fuse(method) for method in SHOWN}
            columns.append(np.vstack([
                image_to_uint8(frame.image), self._classes.paint(frame.labels),
                *(self._classes.paint(fused[method].argmax(0)) for method in SHOWN),
                *(entropy_picture(fused[method]) for method in (SHOWN[0], SHOWN[-1]))]))
        write_rgb(self._folder / f"{self._written:03d}.png", np.hstack(columns))
        self._written += 1


def entropy_picture(probabilities: Tensor) -> np.ndarray:
    """Class probabilities (C, H, W) to (H, W, 3) uint8: dark is certain, bright undecided."""
    entropy = torch.special.entr(probabilities).sum(0) / np.log(len(probabilities))
    grey = (entropy.clamp(0, 1) * 255).round().byte().numpy()
    return cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
