"""True depth brought to images that have none of their own."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady
from scenecode.slam.map.stored_image import StoredImage
from scenecode.slam.records.frame import Frame, GroundTruth
from scenecode.slam.records.stored_truth import StoredDepth
from scenecode.slam.records.true_depth import (
    MAX_TIME_OFFSET,
    MeasuredDepth,
    register_depth,
    with_depth,
)
from scenecode.slam.tracking.recording import Recording

IMAGE = StoredImage.of(torch.zeros(3, 48, 64))
CAMERA = PinholeCamera(fx=60, fy=60, cx=31.5, cy=23.5, width=64, height=48)


def ahead(metres: float) -> torch.Tensor:
    """``T_world_cam`` of a camera that went forwards."""
    T = se3.identity(dtype=torch.float64)
    T[2, 3] = metres
    return T


def frame(number: int, T_world_cam=None, depth=None) -> Frame:
    T = ahead(0.0) if T_world_cam is None else T_world_cam
    return Frame(index=number, timestamp=number / 30, image=torch.zeros(3, 48, 64), camera=CAMERA,
                 truth=GroundTruth(T, depth))


def measurement(number: int, T_world_cam, depth) -> MeasuredDepth:
    return MeasuredDepth(timestamp=number / 30, camera=CAMERA, T_world_cam=T_world_cam,
                         depth=StoredDepth.of(depth))


def keyframe_of(seen: Frame):
    return SimpleNamespace(timestamp=seen.timestamp, camera=seen.camera, truth=seen.truth,
                           image=IMAGE)


def completed(seen: Frame, measured) -> GroundTruth:
    return with_depth(seen.truth, seen.timestamp, seen.camera, measured)


def test_a_wall_comes_nearer_as_the_camera_walks_towards_it():
    seen = register_depth(torch.full((48, 64), 3.0), CAMERA, se3.inverse(ahead(1.0)), CAMERA)
    assert seen[seen > 0].unique().tolist() == pytest.approx([2.0])
    # the points spread over 1.5 times the width: most pixels get one, some none
    assert 0.3 < float((seen > 0).float().mean()) < 1


def test_another_focal_length_shows_the_same_rays_elsewhere():
    """A longer lens sees an edge further from the centre; depth stays."""
    depth = torch.full((48, 64), 2.0)
    depth[:, 40:] = 1.0
    wide = replace(CAMERA, fx=45.0, fy=45.0)
    seen = register_depth(depth, CAMERA, se3.identity(), wide)
    edge = wide.cx + (39.5 - CAMERA.cx) * 45 / 60
    row = seen[24]
    assert set(row.tolist()) == {0.0, 1.0, 2.0}
    assert int((row == 1).nonzero()[0]) == round(edge)
    assert int((row > 0).sum()) == pytest.approx(64 * 45 / 60, abs=1)


def test_the_nearer_of_two_surfaces_hides_the_other():
    depth = torch.full((48, 64), 4.0)
    depth[20:28, 28:36] = 1.0
    T_other_cam = se3.identity()
    T_other_cam[0, 3] = 0.1
    seen = register_depth(depth, CAMERA, T_other_cam, CAMERA)
    # 6 pixels of parallax for the near square, 1.5 for what is behind it
    assert (seen[20:28, 34:42] == 1.0).all()


def test_a_lens_that_bends_sees_it_where_its_image_shows_it():
    depth = torch.zeros(48, 64)
    depth[24, 60] = 2.0
    bent = replace(CAMERA, distortion=BrownConrady(k1=-0.3))
    seen = register_depth(depth, CAMERA, se3.identity(), bent)
    column = 31.5 + 60 * (28.5 / 60) * (1 - 0.3 * (28.5 / 60) ** 2)
    assert seen.nonzero().tolist() == [[24, round(column)]]


def test_a_frame_takes_the_nearest_measurement_through_the_true_motion():
    wall = torch.full((48, 64), 3.0)
    measured = [measurement(0, ahead(0.0), wall), measurement(10, ahead(1.0), wall - 1)]
    seen = completed(frame(7, ahead(0.5)), measured).depth
    assert seen[seen > 0].unique().tolist() == pytest.approx([2.5])
    own = completed(frame(7, depth=wall), measured)
    assert own.depth is wall


@pytest.mark.parametrize("late", [False, True])
def test_without_a_measurement_in_time_depth_stays_unknown(late):
    measured = [measurement(0, ahead(0.0), torch.ones(48, 64))] if late else []
    assert completed(frame(int(30 * MAX_TIME_OFFSET) + 2), measured).depth is None
    assert completed(frame(1), []).depth is None


def test_a_recording_keeps_depth_only_where_others_lack_it():
    """Every third frame has depth in one sequence, every frame in the other."""
    sparse, dense = Recording(), Recording()
    for n in range(7):
        depth = torch.ones(48, 64)
        sparse.note_truth(frame(n, depth=None if n % 3 else depth))
        dense.note_truth(frame(n, depth=depth))
    assert np.allclose([m.timestamp for m in sparse.depths], [0, 0.1, 0.2])
    assert len(dense.depths) == 1


def test_only_the_last_measurements_are_kept():
    """However long the recording is."""
    recording = Recording()
    depth = torch.ones(48, 64)
    for n in range(0, 2000, 2):
        recording.note_truth(frame(n, depth=depth))
        recording.note_truth(frame(n + 1))
    assert len(recording.depths) <= 256 and recording.depths[-1].timestamp == 1998 / 30
    assert len(recording.true_trajectory()) == 2000


def test_a_later_measurement_replaces_one_that_is_further_away():
    recording = Recording()
    depths = {0: 1.0, 7: 2.0, 9: 3.0}

    def reported():
        seen = recording.truth_of(keyframe_of(frame(5))).depth
        return None if seen is None else seen[seen > 0].unique().tolist()

    after = []
    for n in range(12):
        depth = torch.full((48, 64), depths[n]) if n in depths else None
        recording.note_truth(frame(n, depth=depth))
        after.append(reported())
    assert after[:7] == [[1.0]] * 7
    assert after[7:] == [[2.0]] * 5
