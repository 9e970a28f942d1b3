"""Sample pictures of training: what the network makes of a few held-out images."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from networks.data.sample import LabelledImages
from networks.scenecode import SceneCode
from optim.proximity import proximity_from_depth

#: Images shown, spread over the data set.
ROWS = 4


@torch.no_grad()
def save_sample_pictures(path: Path, model: SceneCode, data: LabelledImages) -> None:
    """A PNG with a row for each of a few images: image, true proximity, at zero code, encoded;
    the same for labels."""
    rows = []
    for index in np.linspace(0, len(data) - 1, min(ROWS, len(data))).round().astype(int):
        sample = data[int(index)]
        device = next(model.parameters()).device
        features = model.features(sample.image[None].to(device))
        codes = model.encode_features(features, sample.depth, sample.labels, sample.camera)
        decoded = [(features.prox_zero, features.logits_zero), model.decode(features, *codes)]
        truth = proximity_from_depth(sample.depth, model.config.average_depth_for(sample.camera))
        depths = [truth * (sample.depth > 0), *(model.upsample(p)[0, 0] for p, _ in decoded)]
        labels = [sample.labels, *(model.upsample(s)[0].argmax(0) for _, s in decoded)]
        image = (sample.image.permute(1, 2, 0) * 255).byte().numpy()
        rows.append(np.hstack([image, *map(_heat, depths),
                               *(model.classes.paint(value) for value in labels)]))
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def _heat(prox: Tensor) -> np.ndarray:
    """Proximity (H, W) as an image (H, W, 3): near is bright."""
    grey = (prox.clamp(0, 1) * 255).byte().cpu().numpy()
    return cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
