"""A SceneNet trajectory replayed as a source of frames."""

import pytest
import torch
from support import scenenet_set

from scenecode.core.errors import DataError
from scenecode.networks.classes import NYU13
from scenecode.slam.sources import SourceOptions, open_source
from scenecode.slam.sources.datasets.scenenet import open_scenenet


@pytest.fixture
def folder(tmp_path):
    scenenet_set.write_set(tmp_path, render_paths=("0/223",))
    return tmp_path / "val" / "0" / "223"


def test_frames_carry_the_data_sets_camera_and_truth(folder):
    source = open_source(str(folder), SourceOptions())
    frames = list(source)
    assert (source.length, source.fps, source.is_live) == (3, 1.0, False)
    assert [f.index for f in frames] == [0, 1, 2]
    assert [f.timestamp for f in frames] == [0.0, 1.0, 2.0]
    frame = frames[1]
    assert frame.image.shape == (3, 192, 256)
    # 277.1 px at 320 wide
    assert frame.camera.fx == pytest.approx(277.128 * 256 / 320, abs=1e-2)
    assert frame.truth.T_world_cam[0, 3] == pytest.approx(0.51, abs=1e-6)
    assert frame.truth.depth[100, 100] == pytest.approx(scenenet_set.WALL_Z, abs=1e-3)
    assert NYU13.names[frame.truth.labels[100, 100]] == "table"


def test_truth_lets_one_view_predict_where_the_next_sees_a_point(folder):
    first, second = list(open_scenenet(folder, SourceOptions()))[:2]
    pixel = torch.tensor([[200.0, 100.0]], dtype=torch.float64)
    depth = first.truth.depth[100, 200].double()
    x, _ = first.camera.backproject(pixel, depth)
    T_second_first = torch.linalg.inv(second.truth.T_world_cam) @ first.truth.T_world_cam
    seen, _ = second.camera.project(x @ T_second_first[:3, :3].T + T_second_first[:3, 3])
    # looking along +z with y up, world x is to the left: the camera that moves along it
    # by 0.5 m sees a wall at 2.5 m move right by a fifth of the focal length
    shift = second.camera.fx * 0.5 / scenenet_set.WALL_Z
    torch.testing.assert_close(seen, pixel + torch.tensor([[shift, 0.0]], dtype=torch.float64),
                               atol=0.05, rtol=0)


def test_missing_depth_costs_the_truth_not_the_frame(folder):
    (folder / "depth" / "25.png").unlink()
    (folder / "photo" / "50.jpg").write_bytes(b"broken")
    source = open_scenenet(folder, SourceOptions(fps=2.0))
    frames = list(source)
    assert [f.timestamp for f in frames] == [0.0, 0.5] and source.unreadable == 1
    assert frames[1].truth.depth is None and frames[1].truth.T_world_cam is not None


def test_folder_without_trajectory_file_is_named(folder):
    (folder.parents[2] / "scenenet_rgbd_val.pb").unlink()
    with pytest.raises(DataError, match="no \\*val\\*.pb"):
        open_scenenet(folder, SourceOptions())
