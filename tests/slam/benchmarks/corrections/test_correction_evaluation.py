"""The simulated user clicks where labels are wrong, and its clicks are scored."""

import numpy as np
import pytest
from support.exact import ExactPredictor
from support.walks import Playback, small_config

from scenecode.slam.benchmarks.corrections.evaluation import METHODS, LabelledMap, score_clicks
from scenecode.slam.benchmarks.corrections.simulated_user import SimulatedUser
from scenecode.slam.output.sink import NoOutput
from scenecode.slam.system import System


def test_the_user_clicks_inside_the_largest_wrong_region_and_never_twice():
    truth = {3: np.zeros((40, 60), np.uint8), 5: np.full((40, 60), 255, np.uint8)}
    labels = {n: np.zeros((40, 60), np.uint8) for n in truth}
    labels[3][5:15, 10:40], labels[3][30:34, 2:6], labels[5][:] = 2, 1, 7
    user = SimulatedUser(truth, classes=13)
    click = user.click(labels)
    assert (click.keyframe, click.label, click.wrong_pixels) == (3, 0, 300)
    assert 5 <= click.at[1] < 15 and 10 <= click.at[0] < 40
    assert user.click(labels).wrong_pixels == 16
    assert user.click(labels) is None


@pytest.mark.slow
def test_clicks_are_scored_for_every_way_of_spreading_them(small_walk):
    predictor = ExactPredictor(small_walk, logit_error=1.5)
    system = System(small_config(), predictor, output=NoOutput(predictor.classes))
    system.run(Playback(small_walk))
    graph = system.graph
    labelled = LabelledMap(name="walk", graph=graph, truth={
        n: keyframe.truth.labels.numpy() for n, keyframe in graph.keyframes.items()})
    found = {name: score_clicks(labelled, METHODS[name], (0, 2), 4.0, 13, system.config.fusion)
             for name in ("none", "elementwise", "code")}
    start = found["none"][0]
    assert all(scores[0] == start for scores in found.values())
    assert found["none"][2] == start
    assert found["elementwise"][2] > start
    # here a code changes all classes everywhere, so that little can be said by codes
    assert found["code"][2] > start - 0.02 and found["code"][2] != found["elementwise"][2]
