"""Ground truth that is kept in little memory and restored when it is needed."""

import numpy as np
import pytest
import torch

from scenecode.networks.classes import VOID
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame, GroundTruth
from scenecode.slam.records.stored_truth import StoredDepth, StoredTruth

CAMERA = PinholeCamera(fx=180, fy=180, cx=127.5, cy=95.5, width=256, height=192)


def a_scene() -> GroundTruth:
    """Slanted planes with a hole in the depth, and regions of labels."""
    y, x = torch.meshgrid(torch.arange(192.0), torch.arange(256.0), indexing="ij")
    depth = torch.where(x < 100, 1.2 + y / 100, 3.0 + x / 60)
    depth[20:40, 30:90] = 0
    labels = (x // 64 + 4 * (y // 64)).to(torch.uint8)
    labels[50:60] = VOID
    return GroundTruth(T_world_cam=torch.eye(4, dtype=torch.float64), depth=depth, labels=labels)


def stored(truth: GroundTruth | None) -> StoredTruth | None:
    return StoredTruth.of(Frame(index=4, timestamp=0.5, image=torch.zeros(3, 192, 256),
                                camera=CAMERA, truth=truth))


def test_a_restored_truth_is_the_same_to_a_tenth_of_a_millimetre():
    truth = a_scene()
    restored = stored(truth).restored()
    assert float((restored.depth - truth.depth).abs().max()) < 1e-4
    assert torch.equal(restored.depth > 0, truth.depth > 0)
    assert restored.depth.dtype == torch.float32
    assert torch.equal(restored.labels, truth.labels) and restored.labels.dtype == torch.uint8
    assert torch.equal(restored.T_world_cam, truth.T_world_cam)


def test_a_stored_truth_is_small():
    kept = stored(a_scene())
    assert len(kept.depth.png) + len(kept.labels) < 30_000


def test_what_is_unknown_stays_unknown():
    assert stored(None) is None
    assert stored(GroundTruth()).restored() == GroundTruth()
    assert not StoredDepth.of(torch.zeros(4, 4)).tensor().any()


def test_depths_that_are_no_depths_are_unknown_and_the_nearest_stays_known():
    depth = torch.tensor([[float("nan"), float("inf"), -1.0], [1e-6, 0.5, 80.0]])
    back = StoredDepth.of(depth).tensor()
    assert back[0].tolist() == [0, 0, 0] and back[1, 0] > 0
    assert back[1, 1:].tolist() == pytest.approx([0.5, 80], abs=80 / 131070)
    assert np.isfinite(back.numpy()).all()
