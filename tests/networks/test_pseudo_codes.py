"""Pseudo-codes: scale and tilts of depth that a network without codes got wrong."""

from dataclasses import replace

import pytest
import torch
from support.exact import ExactPredictor
from support.walks import Playback, small_config

from scenecode.networks.classes import NYU13
from scenecode.networks.prediction import Prediction
from scenecode.networks.pseudo_codes import SCALE_STD, TILT_STD, with_pseudo_codes
from scenecode.slam.system import System


def test_a_unit_of_each_scales_or_tilts_depth():
    depth = torch.rand(5, 7, generator=torch.Generator().manual_seed(0)) + 1
    plain = Prediction.without_codes(depth, 0.2 * depth, torch.zeros(13, 5, 7), NYU13)
    coded = with_pseudo_codes(plain)
    step = 1e-2
    for i, (left, right, top, bottom) in enumerate([
            (SCALE_STD,) * 4, (-TILT_STD, TILT_STD, 0, 0), (0, 0, -TILT_STD, TILT_STD)]):
        code = torch.zeros(3)
        code[i] = step
        change = (coded.depth(code) / depth).log() / step
        middle_row, middle_column = change[2], change[:, 3]
        found = middle_row[0], middle_row[-1], middle_column[0], middle_column[-1]
        assert torch.stack(found).tolist() == pytest.approx([left, right, top, bottom], abs=2e-3)
    assert with_pseudo_codes(coded) is coded


class Tilted(ExactPredictor):
    """True depth times a scale and tilts that are random for every image; no codes."""

    def predict(self, image, camera):
        exact = super().predict(image, camera)
        generator = torch.Generator().manual_seed(self.frame_of(image).index)
        scale, x, y = torch.randn(3, generator=generator).tolist()
        h, w = exact.prox_zero.shape
        log = 0.2 * scale + 0.1 * x * torch.linspace(-1, 1, w) \
            + 0.1 * y * torch.linspace(-1, 1, h)[:, None]
        depth = exact.depth() * log.exp()
        return Prediction.without_codes(depth, 0.2 * depth, exact.logits_zero, self.classes)


def spread(keyframes, codes):
    """Of the keyframes' ln depth error: its medians' spread, and the mean spread in an image."""
    errors = [(keyframe.depth(code) / keyframe.truth.depth).log()
              for keyframe, code in zip(keyframes, codes, strict=True)]
    medians = torch.stack([error.median() for error in errors])
    return float(medians.std()), float(torch.stack([e.std() for e in errors]).mean())


@pytest.mark.slow
def test_mapping_corrects_scale_and_tilt_of_a_network_without_codes(small_walk):
    frames = small_walk[:60]
    system = System(small_config(), Tilted(frames, depth_error=0.0, logit_error=0.0))
    system.run(Playback(frames))
    keyframes = list(system.graph.keyframes.values())
    assert len(keyframes) >= 3
    codes = [state.code_depth for state in system.graph.states.values()]
    before = spread([replace(k, scale=1.0) for k in keyframes], [torch.zeros(3)] * len(codes))
    after = spread(keyframes, codes)
    assert after[0] < 0.25 * before[0] and after[1] < 0.4 * before[1]
    assert system.report["coverage"] == 1
