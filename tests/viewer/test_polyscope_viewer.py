"""The window of polyscope, drawn off-screen."""

from dataclasses import replace

import numpy as np
import pytest
from support.box_room import room_snapshot

from scenecode.networks.classes import NYU13
from scenecode.slam.records.snapshot import FusedCloud

pytest.importorskip("polyscope", reason="needs polyscope: pip install -e '.[test]'")

from scenecode.viewer.polyscope_viewer import PolyscopeViewer  # noqa: E402


@pytest.fixture(scope="module")
def viewer():
    try:
        viewer = PolyscopeViewer(offscreen=True, width=320, height=240)
    except RuntimeError as error:
        pytest.skip(f"no off-screen graphics here: {error}")
    yield viewer
    viewer.close()


def test_draws_the_map_and_then_another_one(viewer):
    room = room_snapshot(keyframes=3, width=64)
    viewer.show(room)
    picture = viewer.picture()
    assert picture.shape == (240, 320, 3) and len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    viewer.close()
    viewer.show(replace(room, version=2, cloud=FusedCloud(), trajectory=room.trajectory[:0]))
    assert (viewer.picture() != picture).any()
    assert room.classes is NYU13
