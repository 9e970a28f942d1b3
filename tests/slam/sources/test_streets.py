"""The procedural drive as a source: frames with exact truth."""

import numpy as np
import pytest
import torch

from scenecode.core.errors import SourceError
from scenecode.networks.data.streets import StreetConfig
from scenecode.slam.sources import SourceOptions, open_source
from scenecode.slam.sources.streets import StreetsSource


@pytest.fixture(scope="module")
def source():
    return StreetsSource(1, frames=3, width=96, height=32, baseline=0.5,
                         street=StreetConfig(reach=80.0))


def test_frames_carry_time_camera_and_truth(source):
    frames = list(source)
    assert len(frames) == source.length == 3 and not source.is_live
    for k, frame in enumerate(frames):
        assert frame.index == k and frame.timestamp == pytest.approx(k / 10)
        assert frame.image.shape == (3, 32, 96) and frame.image.dtype == torch.float32
        assert frame.truth.T_world_cam.dtype == torch.float64
        assert frame.truth.depth.shape == frame.truth.labels.shape == (32, 96)
        assert frame.truth.moving.dtype == torch.bool
    assert torch.equal(source.frame(1).image, frames[1].image)


def test_the_right_camera_sees_the_disparity_of_the_depth(source):
    left, right = source.frame(0), source.right_frame(0)
    T = torch.linalg.inv(left.truth.T_world_cam) @ right.truth.T_world_cam
    assert torch.allclose(T[:3, 3], torch.tensor([0.5, 0, 0], dtype=torch.float64), atol=1e-9)
    depth = left.truth.depth.numpy()
    v, u = np.nonzero((depth > 0) & (depth < 30))
    moved = np.round(u - 0.5 * left.camera.fx / depth[v, u]).astype(int)
    inside = moved >= 0
    there = right.truth.depth.numpy()[v[inside], moved[inside]]
    assert (np.abs(there / depth[v, u][inside] - 1) < 0.05).mean() > 0.8


def test_it_opens_by_its_name():
    opened = open_source("streets:4:2", SourceOptions(width=64, height=24))
    assert opened.name == "streets:4" and opened.length == 2 and opened.fps == 10


def test_one_camera_has_no_right_frame_and_wrong_requests_are_refused(source):
    with pytest.raises(SourceError, match="baseline"):
        StreetsSource(1, frames=1, width=64, height=24).right_frame(0)
    with pytest.raises(SourceError):
        StreetsSource(-1)
    with pytest.raises(SourceError, match="streets:SEED"):
        open_source("streets:x")
