"""rerun's own reader finds the map in the recording."""

import numpy as np
import pytest
from support.saved_maps import room_map

from scenecode.slam.exports.export import export

chunk = pytest.importorskip("rerun.chunk", reason="needs rerun-sdk: pip install -e '.[test]'")


def read(path):
    """By entity and component: the values of all rows, in the order of the file."""
    found = {}
    for piece in chunk.RrdReader(path).stream():
        table = piece.to_record_batch()
        for name, column in zip(table.schema.names, table.columns):
            found.setdefault((piece.entity_path, name), []).extend(column.to_pylist())
    return found


def test_rerun_reads_points_path_and_keyframes(tmp_path):
    saved = room_map(keyframes=3, width=32)
    export(saved, "rerun", tmp_path / "map.rrd")
    found = read(tmp_path / "map.rrd")
    points = np.array(found["/world/points", "Points3D:positions"][0])
    assert points == pytest.approx(saved.cloud.points, abs=1e-6)
    labels = np.array(found["/world/labels", "Points3D:class_ids"][0])
    assert np.array_equal(labels, saved.cloud.labels)
    path = np.array(found["/world/path", "LineStrips3D:strips"][0][0])
    assert path == pytest.approx(saved.trajectory.positions, abs=1e-6)
    assert len(found["/world/camera", "Transform3D:translation"]) == len(saved.trajectory)
    frames = found["/world/keyframe", "frame"][:len(saved.keyframes)]
    assert frames == [view.frame_index for view in saved.keyframes]
    for view, T, K in zip(saved.keyframes, found["/world/keyframe", "Transform3D:translation"],
                          found["/world/keyframe", "Pinhole:image_from_camera"], strict=True):
        assert np.ravel(T) == pytest.approx(view.T_world_cam[:3, 3], abs=1e-6)
        c = view.camera
        # column by column
        assert np.ravel(K) == pytest.approx(
            [c.fx, 0, 0, 0, c.fy, 0, c.cx + 0.5, c.cy + 0.5, 1], rel=1e-6)
    for view, depth in zip(saved.keyframes, found["/world/keyframe/depth", "DepthImage:buffer"],
                           strict=True):
        values = np.frombuffer(np.array(depth[0], np.uint8).tobytes(), np.float32)
        assert values == pytest.approx(view.depth.ravel())
