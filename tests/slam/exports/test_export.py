"""What holds for all formats: what is there is not replaced, what is missing is named."""

import sys

import pytest
from support.saved_maps import box_mesh, empty_map, room_map

from scenecode.core.errors import ConfigError, ResultError
from scenecode.slam.exports import formats, keyframe_arrays
from scenecode.slam.exports.export import export
from scenecode.slam.exports.formats import FORMATS
from scenecode.slam.records.triangle_mesh import TriangleMesh


@pytest.mark.parametrize("name", FORMATS)
def test_a_map_of_one_keyframe_can_be_exported(tmp_path, monkeypatch, name):
    # its surface is for slam.surface to say
    monkeypatch.setattr(formats, "surface_of", lambda saved: box_mesh())
    out = tmp_path / "out.file"
    export(room_map(keyframes=1, width=32), name, out)
    assert out.is_dir() == FORMATS[name].is_folder
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize("name", FORMATS)
def test_a_map_without_keyframes_is_refused(tmp_path, name):
    with pytest.raises(ResultError, match="room.map has no keyframes"):
        export(empty_map(), name, tmp_path / "out")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_there_already_stays(tmp_path, name):
    out = tmp_path / "out.txt"
    out.write_text("precious")
    with pytest.raises(ResultError, match="exists already.*another --out"):
        export(room_map(1, 32), name, out)
    assert out.read_text() == "precious"


def test_files_that_come_with_another_stay_too(tmp_path):
    (tmp_path / "path_times.txt").write_text("precious")
    with pytest.raises(ResultError, match="path_times.txt exists already"):
        export(room_map(1, 32), "kitti", tmp_path / "path.txt")


def test_a_folder_may_be_empty(tmp_path):
    export(room_map(1, 32), "npz", tmp_path)
    assert (tmp_path / "classes.csv").is_file()


def test_an_unknown_format_lists_those_that_are_known(tmp_path):
    with pytest.raises(ConfigError) as error:
        export(room_map(1, 32), "xyz", tmp_path / "out")
    assert all(name in str(error.value) for name in FORMATS)


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(ResultError, match="there is no folder"):
        export(room_map(1, 32), "tum", tmp_path / "none" / "path.txt")


def test_a_missing_library_is_named_with_its_cure(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ConfigError, match=r"needs rerun.*pip install 'scenecode\[rerun\]'"):
        export(room_map(1, 32), "rerun", tmp_path / "out.rrd")


def test_an_export_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*arguments, **values):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keyframe_arrays.np, "savez_compressed", full)
    with pytest.raises(ResultError, match="No space left on device; check the free space"):
        export(room_map(1, 32), "npz", tmp_path / "out")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["mesh-ply", "glb", "obj"])
def test_a_map_without_a_surface_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(formats, "surface_of", lambda saved: TriangleMesh.empty())
    with pytest.raises(ResultError, match="has no surface"):
        export(room_map(1, 32), name, tmp_path / "out")
    assert not [*tmp_path.iterdir()]
