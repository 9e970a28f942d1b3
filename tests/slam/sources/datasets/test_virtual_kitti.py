"""Drives of Virtual KITTI 2, on a tiny set in its layout."""

import numpy as np
import pytest
from support import data_layouts as layouts

from scenecode.core.errors import DataError, SourceError
from scenecode.networks.classes import CITYSCAPES_19
from scenecode.slam.sources import SourceOptions, open_source
from scenecode.slam.sources.formats import true_trajectory

OPTIONS = SourceOptions(width=layouts.WIDTH, height=layouts.HEIGHT)


@pytest.mark.parametrize("archive", ["", "vkitti_2.0.3_rgb"])
def test_a_drive_has_exact_truth(tmp_path, archive):
    """Also where the archive of images lies beside the others."""
    layouts.write_virtual_kitti(tmp_path)
    drive = tmp_path / "Scene01" / "clone"
    if archive:
        there = tmp_path / archive / "Scene01" / "clone" / "frames"
        there.mkdir(parents=True)
        (drive / "frames" / "rgb").rename(there / "rgb")
        texts = tmp_path / "vkitti_2.0.3_textgt"
        texts.mkdir()
        (tmp_path / "Scene01").rename(texts / "Scene01")
        drive = there.parent
    source = open_source(str(drive), OPTIONS)
    frames = list(source)
    truth = frames[1].truth
    assert source.original.fx == 30 and [f.timestamp for f in frames] == [0, 0.1]
    np.testing.assert_allclose(truth.T_world_cam[:3, 3], [0, 0, 1])
    np.testing.assert_allclose(true_trajectory(drive).positions, [[0, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(truth.depth[[0, 5, 5], [5, 5, 35]],
                               [0, layouts.NEAR, layouts.FAR])
    assert [truth.classes.names[i] for i in truth.labels[5, [5, 35]]] == ["road", "car"]
    assert truth.classes == CITYSCAPES_19


def test_what_is_no_drive_or_lacks_its_camera_is_refused(tmp_path):
    layouts.write_virtual_kitti(tmp_path)
    for folder in (tmp_path, tmp_path / "Scene01"):
        with pytest.raises(SourceError, match="drives; give the folder of one.*Scene01.*clone"):
            open_source(str(folder), OPTIONS)
    (tmp_path / "Scene01" / "clone" / "intrinsic.txt").unlink()
    with pytest.raises(DataError, match="Scene01/clone/intrinsic.txt; unpack.*textgt"):
        open_source(str(tmp_path / "Scene01" / "clone"), OPTIONS)
