"""Areas and rooms of Stanford 2D-3D-S, on a tiny set in its layout."""

import numpy as np
import pytest
from support import data_layouts as layouts

from scenecode.core.errors import DataError, SourceError
from scenecode.slam.sources import SourceOptions, open_source
from scenecode.slam.sources.formats import true_trajectory

OPTIONS = SourceOptions(width=layouts.WIDTH, height=layouts.HEIGHT)


@pytest.mark.parametrize("given", ["", "data/rgb", "office_1"])
def test_an_area_and_a_room_have_exact_truth(tmp_path, given):
    layouts.write_stanford(tmp_path)
    source = open_source(str(tmp_path / "area_1" / given), OPTIONS)
    frames = list(source)
    truth = frames[1].truth
    assert source.original.fx == pytest.approx(20) and source.fps == 1
    # the second one stands 1 m to the right of the first and looks along y
    np.testing.assert_allclose(truth.T_world_cam[:3, 3], [1, 2, 3])
    np.testing.assert_allclose(truth.T_world_cam[:3, 2], [0, 1, 0])
    np.testing.assert_allclose(truth.depth[5, [5, 35]], [layouts.NEAR, layouts.FAR])
    assert [truth.classes.names[i] for i in truth.labels[5, [5, 35]]] == ["floor", "chair"]
    np.testing.assert_allclose(true_trajectory(tmp_path / "area_1").positions,
                               [[0, 2, 3], [1, 2, 3]])


def test_what_is_no_area_or_room_is_refused_with_what_there_is(tmp_path):
    layouts.write_stanford(tmp_path)
    with pytest.raises(SourceError, match="holds 2 areas; give one of them.*area_1"):
        open_source(str(tmp_path), OPTIONS)
    with pytest.raises(SourceError, match="no room of this name; it has office_1"):
        open_source(str(tmp_path / "area_1" / "attic_3"), OPTIONS)
    next((tmp_path / "area_1" / "data" / "pose").glob("*frame_1*")).unlink()
    with pytest.raises(DataError, match="frame_1_domain_pose.json: must hold camera_k_matrix"):
        open_source(str(tmp_path / "area_1"), OPTIONS)
