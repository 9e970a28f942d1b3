"""Keyframes that alone hold others together stay."""

import torch

from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.landmarks import Observation
from scenecode.slam.mapping.culling import holds_together


def chain(observed):
    """Keyframe 1 is linked to 0, 2 and 3; ``observed`` gives landmarks by pair."""
    graph = KeyframeGraph()
    for n in (0, 2, 3):
        graph.link(1, n)
    graph.observations = {pair: Observation(index=torch.arange(count),
                                            pixels=torch.zeros(count, 2))
                          for pair, count in observed.items()}
    return graph


def test_a_keyframe_whose_neighbours_have_too_little_in_common_holds_them_together():
    assert holds_together(chain({(1, 0): 90, (1, 2): 90, (2, 3): 90, (0, 2): 12}), 1)


def test_neighbours_that_share_landmarks_directly_or_by_another_one_need_no_other():
    assert not holds_together(chain({(0, 2): 12, (2, 0): 12, (3, 2): 40}), 1)


def test_a_keyframe_without_links_holds_nothing():
    assert not holds_together(KeyframeGraph(), 1)
