"""pycolmap reads the model, and its geometry is that of the map."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.saved_maps import room_map

from scenecode.slam.exports.colmap import MAX_ERROR
from scenecode.slam.exports.export import export
from scenecode.slam.output.saved_map import SavedLandmarks

pycolmap = pytest.importorskip("pycolmap", reason="needs pycolmap: pip install -e '.[test]'")


def test_cameras_images_and_points_are_those_of_the_map(tmp_path):
    saved = room_map()
    export(saved, "colmap", tmp_path / "model")
    model = pycolmap.Reconstruction(tmp_path / "model" / "sparse" / "0")
    assert model.num_images() == len(saved.keyframes) and model.num_cameras() == 1
    by_name = {image.name: image for image in model.images.values()}
    for view in saved.keyframes:
        image, c = by_name[f"{view.frame_index:06d}.png"], view.camera
        T = np.eye(4)
        T[:3] = image.cam_from_world().matrix()
        assert np.linalg.inv(T) == pytest.approx(view.T_world_cam, abs=1e-9)
        # the centre of our pixel (0, 0) is COLMAP's (0.5, 0.5)
        assert image.camera.calibration_matrix() == pytest.approx(
            np.array([[c.fx, 0, c.cx + 0.5], [0, c.fy, c.cy + 0.5], [0, 0, 1]]))
        pixels = cv2.imread(str(tmp_path / "model" / "images" / image.name))[..., ::-1]
        assert np.array_equal(pixels, view.image)


def test_landmarks_have_the_observations_of_several_keyframes(tmp_path):
    saved = room_map()
    export(saved, "colmap", tmp_path / "model")
    model = pycolmap.Reconstruction(tmp_path / "model" / "sparse" / "0")
    counts = np.bincount(saved.landmarks.landmark)
    # one observation is wrong, so that one landmark has too few
    assert model.num_points3D() == (counts >= 2).sum() - 1
    assert model.compute_mean_reprojection_error() < 0.01 < MAX_ERROR
    for point in model.points3D.values():
        assert point.track.length() >= 2
        for element in point.track.elements:
            image = model.image(element.image_id)
            seen = image.points2D[element.point2D_idx]
            assert model.points3D[seen.point3D_id].xyz == pytest.approx(point.xyz)
            assert image.project_point(point.xyz) == pytest.approx(seen.xy, abs=1e-3)


def test_without_landmarks_there_are_points_of_the_cloud(tmp_path):
    saved = replace(room_map(keyframes=1), landmarks=SavedLandmarks.empty())
    export(saved, "colmap", tmp_path / "model")
    model = pycolmap.Reconstruction(tmp_path / "model" / "sparse" / "0")
    found = np.array([model.points3D[n].xyz for n in sorted(model.points3D)])
    assert found == pytest.approx(saved.cloud.points, abs=1e-6)
