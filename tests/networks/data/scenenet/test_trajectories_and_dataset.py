"""SceneNet RGB-D in its published layout: poses, depth, classes, and broken files."""

import shutil

import cv2
import numpy as np
import pytest
import torch
from support import scenenet_set

from scenecode.core.errors import DataError
from scenecode.networks.classes import NYU13, VOID
from scenecode.networks.data.datasets import open_dataset
from scenecode.networks.data.scenenet.classes import NYU13_OF_WORDNET
from scenecode.networks.data.scenenet.dataset import SceneNet
from scenecode.networks.data.scenenet.protobuf import read_trajectories
from scenecode.networks.data.scenenet.trajectories import (
    FULL_CAMERA,
    find_trajectory,
    look_at,
    trajectory_from_message,
    z_from_ray_length,
)
from scenecode.optim.geometry import se3


@pytest.fixture
def data(tmp_path):
    scenenet_set.write_set(tmp_path)
    return tmp_path


def test_camera_sees_sixty_by_forty_five_degrees():
    corners = torch.tensor([[-0.5, -0.5], [319.5, 239.5]], dtype=torch.float64)
    rays = FULL_CAMERA.rays(corners)
    degrees = torch.rad2deg(torch.atan(rays[:, :2]))
    torch.testing.assert_close(
        degrees, torch.tensor([[-30.0, -22.5], [30.0, 22.5]], dtype=torch.float64))


def test_every_view_of_every_trajectory_is_a_sample(data):
    images = SceneNet(data)
    assert len(images) == 6
    names = [images[i].name for i in range(6)]
    assert names[0].endswith("0/7/photo/0.jpg") and names[5].endswith("0/223/photo/50.jpg")
    with pytest.raises(IndexError):
        images[6]


def test_a_set_is_opened_by_name_whatever_part_of_it_is_on_disk(data):
    shutil.rmtree(data / "val" / "0" / "7")
    images = open_dataset("scenenet", str(data), "val", 64, 48)
    assert len(images) == 3 and images[0].image.shape == (3, 48, 64)
    with pytest.raises(DataError, match="no SceneNet RGB-D trajectory of this split.*test/0/223"):
        open_dataset("scenenet", str(data), "test", 64, 48)


def test_ray_length_becomes_a_flat_wall(data):
    sample = SceneNet(data)[1]
    assert sample.image.shape == (3, 192, 256) and sample.camera.width == 256
    seen = sample.depth > 0
    assert not seen[:8].any() and seen[8:].all()
    # half a millimetre of rounding, times the resampling of nothing: the wall is flat
    assert (sample.depth[seen] - scenenet_set.WALL_Z).abs().max() < 6e-4


def test_z_is_shorter_than_the_ray_in_the_corner_and_equal_in_the_middle():
    z = z_from_ray_length(np.ones((240, 320)))
    assert abs(z[119, 159] - 1) < 1e-4
    corner = 1 / np.sqrt(1 + np.tan(np.radians(30)) ** 2 + np.tan(np.radians(22.5)) ** 2)
    assert abs(z[0, 0] - corner) < 3e-3


def test_objects_become_classes_by_name_and_background_is_void(data):
    sample = SceneNet(data)[0]
    assert (sample.labels[:8] == VOID).all()
    assert (sample.labels[8:, :128] == NYU13.names.index("table")).all()
    assert (sample.labels[8:, 128:] == NYU13.names.index("wall")).all()


@pytest.mark.parametrize("wordnet_id, name", [
    ("02990373", "ceiling"), ("03365592", "floor"), ("20000041", "table"), ("04256520", "sofa"),
    ("06277280", "tv"), ("04587648", "window"), ("03876519", "picture"), ("00017222", "objects")])
def test_published_classes(wordnet_id, name):
    assert NYU13.names[NYU13_OF_WORDNET[wordnet_id]] == name


def test_pose_is_the_middle_of_the_exposure_and_looks_at_the_target(tmp_path):
    opened = ((0.0, 1.0, 0.0), (2.0, 1.5, 3.0))
    closed = ((0.2, 1.2, 0.4), (2.2, 1.3, 3.0))
    message = scenenet_set.trajectory("0/1", [(opened, closed)], scenenet_set.STANDARD_INSTANCES)
    (tmp_path / "x.pb").write_bytes(scenenet_set.block(1, message))
    trajectory = trajectory_from_message(read_trajectories(tmp_path / "x.pb")[0], tmp_path)
    T_world_cam = torch.from_numpy(trajectory.poses[0])
    middle, target = torch.tensor([[0.1, 1.1, 0.2]]), torch.tensor([[2.1, 1.4, 3.0]])
    torch.testing.assert_close(T_world_cam[:3, 3].float(), middle[0])
    in_camera = se3.act(se3.inverse(T_world_cam), target.double())[0]
    distance = torch.linalg.norm(target - middle).double()
    assert torch.allclose(in_camera, torch.tensor([0, 0, 1]) * distance, atol=1e-6)


def test_camera_axes_are_right_handed_with_y_down():
    pose = look_at(np.array([1.0, 2.0, 3.0]), np.array([4.0, 1.0, 5.0]))
    R = pose[:3, :3]
    assert np.allclose(R @ R.T, np.eye(3)) and np.linalg.det(R) > 0
    assert R[1, 1] < 0, "image y must point against the world's up"
    assert abs(R[1, 0]) < 1e-12, "image x must be level"
    with pytest.raises(DataError, match="cannot look"):
        look_at(np.zeros(3), np.array([0.0, 2.0, 0.0]))


def test_trajectory_is_found_from_its_folder_alone(data):
    trajectory = find_trajectory(data / "val" / "0" / "223")
    assert len(trajectory) == 3 and trajectory.timestamp(2) == 2.0
    np.testing.assert_allclose(trajectory.poses[:, 0, 3], [0.01, 0.51, 1.01], atol=1e-6)


def test_trajectory_of_another_set_is_not_taken(data):
    scenenet_set.write_images(data / "train" / "0" / "223", 1)
    with pytest.raises(DataError, match=r"\*train\*\.pb"):
        find_trajectory(data / "train" / "0" / "223")


def test_folder_without_renderings_is_named(tmp_path):
    with pytest.raises(DataError, match="no SceneNet RGB-D trajectory here"):
        find_trajectory(tmp_path)


def test_truncated_trajectory_file_is_named(data):
    path = data / "scenenet_rgbd_val.pb"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match="scenenet_rgbd_val.pb: is not a whole"):
        SceneNet(data)
    with pytest.raises(DataError, match="missing.pb: cannot be read"):
        read_trajectories(data / "missing.pb")


def test_object_that_no_class_is_known_for_is_named(tmp_path):
    odd = [scenenet_set.instance(1, 4, "99999999", "gadget")]
    message = scenenet_set.trajectory("0/1", scenenet_set.standard_views(1), odd)
    (tmp_path / "val.pb").write_bytes(scenenet_set.block(1, message))
    (tmp_path / "val" / "0" / "1").mkdir(parents=True)
    with pytest.raises(DataError, match="gadget.*99999999"):
        SceneNet(tmp_path)


def test_broken_images_are_named(data):
    folder = data / "val" / "0" / "7"
    (folder / "photo" / "0.jpg").write_bytes(b"not a photograph")
    cv2.imwrite(str(folder / "depth" / "25.png"), np.zeros((240, 320), np.uint8))
    (folder / "instance" / "50.png").unlink()
    images = SceneNet(data)
    for index, message in enumerate(("0.jpg: cannot be decoded", "25.png: depth must be a 16-bit",
                                     "50.png: no such file")):
        with pytest.raises(DataError, match=message):
            images[index]
