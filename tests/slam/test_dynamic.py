"""``dynamic: mask``: what may move is left out of tracking and map."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.exact import ExactPredictor
from support.walks import Playback, small_config, with_image

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import NYU13, NYU_40
from scenecode.networks.prediction import Prediction
from scenecode.slam.system import System

#: A person before the camera: rows and columns, metres, and pixels a frame to the right.
ROWS, WIDTH, DEPTH, SPEED = slice(20, 96), 52, 1.0, 1.5
FRAMES = 24


def with_person(frames):
    """The frames with someone who walks through the image, of strong contrast."""
    g = torch.Generator().manual_seed(0)
    coat = F.interpolate(torch.rand(1, 3, 19, 13, generator=g), (76, WIDTH))[0]
    changed = []
    for frame in frames:
        left = 10 + round(SPEED * frame.index)
        image, depth = frame.image.clone(), frame.truth.depth.clone()
        labels = torch.zeros_like(frame.truth.labels)
        image[:, ROWS, left:left + WIDTH] = coat
        depth[ROWS, left:left + WIDTH] = DEPTH
        labels[ROWS, left:left + WIDTH] = NYU_40.names.index("person")
        changed.append(replace(with_image(frame, image), truth=replace(
            frame.truth, depth=depth, labels=labels, classes=NYU_40)))
    return changed


class KnowsPeople(ExactPredictor):
    """True depth; labels are person or wall; no codes."""

    classes = NYU_40

    def predict(self, image, camera):
        truth = self.frame_of(image).truth
        logits = 9 * F.one_hot(truth.labels.long(), len(NYU_40)).permute(2, 0, 1).float()
        return Prediction.without_codes(truth.depth, 0.05 * truth.depth, logits, NYU_40)


def run(frames, dynamic):
    """Root mean square error of positions in metres, and the points of the map by label."""
    predictor = KnowsPeople(frames)
    system = System(replace(small_config(), dynamic=dynamic), predictor)
    system.run(Playback(frames))
    cloud = system.output.snapshot.cloud
    return system.report["ate_m"], np.bincount(cloud.labels, minlength=len(NYU_40))


@pytest.mark.slow
def test_a_person_who_walks_through_the_image_moves_neither_camera_nor_map(small_walk):
    frames = with_person(small_walk[:FRAMES])
    person = NYU_40.names.index("person")
    kept, masked = (run(frames, dynamic) for dynamic in ("keep", "mask"))
    assert masked[0] < 0.5 * kept[0]
    assert kept[1][person] > 100 and masked[1][person] == 0
    assert masked[1].sum() > 1000


def test_a_network_without_such_classes_is_refused(small_walk):
    predictor = ExactPredictor(small_walk[:1])
    assert predictor.classes == NYU13
    with pytest.raises(ConfigError, match="none of the network's 13 classes .*DEPTH.LABELS"):
        System(replace(small_config(), dynamic="mask"), predictor)
