"""Labelled points are read back by plyfile and trimesh."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from support.saved_maps import room_map

from scenecode.core.errors import ResultError
from scenecode.networks.classes import ClassSet
from scenecode.slam.exports.export import export
from scenecode.slam.exports.options import ExportOptions
from scenecode.slam.exports.point_cloud import probability_names
from scenecode.slam.records.snapshot import FusedCloud

plyfile = pytest.importorskip("plyfile", reason="needs plyfile: pip install -e '.[test]'")


def test_points_keep_place_colour_label_and_confidence(tmp_path):
    saved = room_map()
    export(saved, "ply", tmp_path / "map.ply")
    found = plyfile.PlyData.read(tmp_path / "map.ply")
    vertex, cloud = found["vertex"], saved.cloud
    assert np.array_equal(np.stack([vertex[axis] for axis in "xyz"], 1), cloud.points)
    assert np.array_equal(np.stack([vertex[c] for c in ("red", "green", "blue")], 1),
                          cloud.colours)
    assert np.array_equal(vertex["label"], cloud.labels)
    assert np.array_equal(vertex["confidence"], cloud.confidence)
    assert "class 0 bed 0 0 255" in found.comments and "units metres" in found.comments
    assert np.allclose(trimesh.load(tmp_path / "map.ply").vertices, cloud.points)


def test_probabilities_of_all_classes_are_those_of_the_keyframes_that_show_a_point(tmp_path):
    saved = room_map(keyframes=3, width=32)
    done = []
    export(saved, "ply", tmp_path / "map.ply", ExportOptions(probabilities=True),
           lambda *counts: done.append(counts))
    assert done == [(1, 3), (2, 3), (3, 3)]
    vertex = plyfile.PlyData.read(tmp_path / "map.ply")["vertex"]
    found = np.stack([vertex[name] for name in probability_names(saved.classes)], 1)
    assert vertex["p_bed"] == pytest.approx(found[:, 0])
    assert found.sum(1) == pytest.approx(np.ones(len(found)), abs=1e-5)
    assert (found.argmax(1) == saved.cloud.labels).mean() > 0.9
    own = found[np.arange(len(found)), saved.cloud.labels]
    assert np.median(np.abs(own - saved.cloud.confidence)) < 0.05


def test_what_is_not_there_is_not_made_up(tmp_path):
    folder = room_map(probabilities=False)
    with pytest.raises(ResultError, match="export the map file"):
        export(folder, "ply", tmp_path / "map.ply", ExportOptions(probabilities=True))
    with pytest.raises(ResultError, match="no points"):
        export(replace(folder, cloud=FusedCloud()), "ply", tmp_path / "map.ply")
    assert not [*tmp_path.iterdir()]


def test_names_of_properties_differ():
    classes = ClassSet(names=("tv set", "tv-set", "a"), colours=((0, 0, 0),) * 3)
    assert probability_names(classes) == ["p_tv_set", "p_tv_set_1", "p_a"]
