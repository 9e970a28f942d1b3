import csv

import numpy as np
import pytest
from support.saved_maps import probabilities_of, room_map

from scenecode.slam.exports.export import export


@pytest.mark.parametrize("probabilities", [True, False])
def test_archives_hold_all_of_a_keyframe(tmp_path, probabilities):
    saved = room_map(keyframes=2, width=32, probabilities=probabilities)
    export(saved, "npz", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out" / "keyframes").iterdir()) \
        == ["000000.npz", "000010.npz"]
    for view in saved.keyframes:
        with np.load(tmp_path / "out" / "keyframes" / f"{view.frame_index:06d}.npz",
                     allow_pickle=False) as found:
            for name in ("image", "depth", "depth_std", "labels", "confidence", "T_world_cam"):
                assert np.array_equal(found[name], getattr(view, name))
            assert found["timestamp"] == view.timestamp
            assert found["frame_index"] == view.frame_index
            ray = np.array([5 - view.camera.cx, 7 - view.camera.cy]) / view.camera.focal
            assert found["K"] @ [*ray, 1] == pytest.approx([5, 7, 1])
            assert ("probabilities" in found) == probabilities
            if probabilities:
                assert found["probabilities"] == pytest.approx(probabilities_of(view), abs=1e-3)
    rows = [*csv.DictReader(open(tmp_path / "out" / "classes.csv"))]
    assert [row["name"] for row in rows] == list(saved.classes.names)
    assert [int(rows[11][c]) for c in ("red", "green", "blue")] == list(saved.classes.colours[11])
