"""Maps as files: what is written is read back; other files are refused and stay as they are."""

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.stored_maps import META, difference, moved, stored_map

from scenecode.core.errors import ResultError
from scenecode.slam.mapfile.editing import compact
from scenecode.slam.mapfile.storage import schema
from scenecode.slam.mapfile.storage.database import Changes, Database, size_on_disk
from scenecode.slam.mapfile.storage.reading import check, load
from scenecode.slam.mapfile.storage.records import StoredMap
from scenecode.slam.mapfile.storage.rows import keyframe_row
from scenecode.slam.mapfile.storage.writing import write_map

TESTS = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "map.scn"
    write_map(path, stored_map())
    return path


def open_for_writing(path):
    return Database.open(path, load)[0]


def test_a_map_is_read_back_as_it_was(path, tmp_path):
    assert [entry.name for entry in tmp_path.iterdir()] == ["map.scn"]
    original, found = stored_map(), check(path)
    # poses and codes to the last bit of float32; pixels to 0.001, coarse depths to 0.1 %
    exact = ("meta", "sessions", "states", "links", "loops", "redirects", "prior", "active",
             "next_number", "image_depths")
    for name in exact:
        assert difference(getattr(original, name), getattr(found, name)) == 0, name
    assert difference(original.frames, found.frames) < 1e-6
    assert difference(original, found) < 1e-3


def test_an_empty_map_is_a_map(tmp_path):
    write_map(tmp_path / "map.scn", StoredMap(meta=META))
    assert not load(tmp_path / "map.scn").keyframes


def test_many_frames_are_kept_in_order(tmp_path):
    original = stored_map(frame_count=700)
    write_map(tmp_path / "map.scn", original)
    assert difference(original.frames, load(tmp_path / "map.scn").frames) < 1e-6


@pytest.mark.parametrize("content, rule", [
    (b"", "no map file"), (b"some text\n" * 30, "no map file"), (None, "no such map file"),
    ("folder", "is a folder")])
def test_other_files_are_refused(content, rule, tmp_path):
    path = tmp_path / "other"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    for opened in (load, open_for_writing, compact):
        with pytest.raises(ResultError, match=rule) as error:
            opened(path)
        assert str(path) in str(error.value)
    assert content in (None, "folder") or path.read_bytes() == content


def test_another_programs_database_is_refused(tmp_path):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(ResultError, match="no map file of scenecode"):
        open_for_writing(path)
    assert path.read_bytes() == before


def test_a_file_is_not_overwritten(path):
    before = path.read_bytes()
    with pytest.raises(ResultError, match="exists already"):
        write_map(path, stored_map())
    assert path.read_bytes() == before


@pytest.mark.parametrize("share", [0.05, 0.5, 0.999])
def test_a_truncated_file_says_so(path, share):
    data = path.read_bytes()
    path.write_bytes(data[:int(share * len(data))])
    with pytest.raises(ResultError, match="is damaged: it has .* bytes of"):
        load(path)


def test_a_file_of_a_newer_version_is_refused(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    for opened in (load, open_for_writing, compact):
        with pytest.raises(ResultError, match="format 99 of a newer scenecode"):
            opened(path)
    assert path.read_bytes() == before


def test_a_file_of_an_older_version_is_migrated_by_who_writes_it(path, monkeypatch):
    """A made-up version with one more table."""
    monkeypatch.setattr(schema, "MIGRATIONS", [
        *schema.MIGRATIONS, lambda connection: connection.execute("CREATE TABLE birds (a TEXT)")])
    before = path.read_bytes()
    assert difference(stored_map(), load(path)) < 1e-3
    assert path.read_bytes() == before
    open_for_writing(path).close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.newest_version(),)
        assert connection.execute("SELECT count(*) FROM birds").fetchone() == (0,)
    assert difference(stored_map(), load(path)) < 1e-3


def test_a_file_of_version_1_has_no_corrections(tmp_path, monkeypatch):
    """It is made without their table."""
    path = tmp_path / "old.map"
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        write_map(path, replace(stored_map(), corrections=(), image_depths={}))
    before = path.read_bytes()
    assert load(path).corrections == ()
    assert path.read_bytes() == before
    open_for_writing(path).close()
    old = replace(stored_map(), corrections=(), image_depths={})
    assert difference(load(path), old) < 1e-3
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.newest_version(),)


def test_a_file_of_version_2_has_no_depths_from_images(tmp_path, monkeypatch):
    path = tmp_path / "old.map"
    old = replace(stored_map(), image_depths={})
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
        write_map(path, old)
    before = path.read_bytes()
    assert difference(load(path), old) < 1e-3 and path.read_bytes() == before
    open_for_writing(path).close()
    assert difference(load(path), old) < 1e-3


def test_a_file_of_version_3_has_no_motions(tmp_path, monkeypatch):
    """Its states have poses only."""
    path = tmp_path / "old.map"

    def with_motions(count):
        none = np.zeros(count, np.float32)
        return replace(stored_map(), states={n: replace(state, motion=none)
                                             for n, state in stored_map().states.items()})

    at_rest = with_motions(6)
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:3])
        write_map(path, with_motions(0))
    before = path.read_bytes()
    assert difference(load(path), at_rest) < 1e-3 and path.read_bytes() == before
    open_for_writing(path).close()
    assert difference(load(path), at_rest) < 1e-3


@pytest.mark.parametrize("wrong, rule", [
    ({"views": (2, 99)}, "is not of this map"), ({"linked": (0,)}, "list of other keyframes"),
    ({"scales": np.ones(1, np.float32)}, "1 scales of 2 views"),
    ({"code_depth": np.zeros(3, np.float32)}, "is not of this map"),
    ({"log_b": b""}, "no lossy WebP"), ({"log_factor": b"RIFF"}, "no lossy WebP")])
def test_an_impossible_depth_from_images_is_refused(wrong, rule, tmp_path):
    stored = stored_map()
    depths = {**stored.image_depths, 0: replace(stored.image_depths[0], **wrong)}
    write_map(tmp_path / "map.scn", replace(stored, image_depths=depths))
    with pytest.raises(ResultError, match=rule):
        load(tmp_path / "map.scn")


def test_a_trigger_in_a_file_is_refused(path):
    """It would run when the map is written."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON states BEGIN DELETE FROM links; END")
    for opened in (load, open_for_writing):
        with pytest.raises(ResultError, match="its tables are not those of a map"):
            opened(path)


def test_what_was_committed_is_there_and_a_second_writer_is_refused(path):
    database = open_for_writing(path)
    with pytest.raises(ResultError, match="in use by another run"):
        open_for_writing(path)
    database.commit(moved(0))
    # readers need not wait
    moved_by = load(path).states[0].T_world_cam - stored_map().states[0].T_world_cam
    assert np.isclose(moved_by[:3, 3], 1).all()
    database.close()
    open_for_writing(path).close()


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights elsewhere")
def test_a_symbolic_link_is_another_name_of_the_file(path, tmp_path):
    """Also for the log that a run keeps beside it, and for a link to a file yet to be made."""
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "link.map"
    link.symlink_to(path)
    database = open_for_writing(link)
    database.commit(moved(2))
    expected = stored_map().states[2].T_world_cam[0, 3] + 1
    for name in (link, path):
        assert load(name).states[2].T_world_cam[0, 3] == expected
        with pytest.raises(ResultError, match="in use by another run"):
            open_for_writing(name)
    assert size_on_disk(link) == size_on_disk(path) > path.stat().st_size
    database.close()
    new = tmp_path / "links" / "new.map"
    new.symlink_to(tmp_path / "new.map")
    write_map(new, stored_map())
    assert new.is_symlink() and len(load(tmp_path / "new.map").keyframes) == 5
    assert {entry.name for entry in tmp_path.rglob("*")} == \
        {"links", "link.map", "new.map", path.name}


@pytest.mark.skipif(os.name != "posix", reason="open files cannot be moved elsewhere")
def test_a_file_that_is_moved_away_is_told_and_whole_when_it_is_moved_back(path, caplog):
    database = open_for_writing(path)
    database.commit(moved(2))
    path.rename(path.with_name("moved.scn"))
    with pytest.raises(ResultError, match="was moved, replaced or removed"):
        database.commit(moved(0))
    database.close()
    assert "move it back beside map.scn-wal" in caplog.text
    path.with_name("moved.scn").rename(path)
    change = check(path).states[2].T_world_cam - stored_map().states[2].T_world_cam
    assert np.isclose(change[:3, 3], 1).all()


_WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from support.stored_maps import moved
from scenecode.slam.mapfile.storage.database import Database
database, _ = Database.open(Path(sys.argv[1]), lambda path: None)
database.commit(moved(2))
print("committed", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_writer_of_another_process_counts_until_it_is_killed(path):
    command = [sys.executable, "-c", _WRITER, str(path), str(TESTS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as other:
        assert other.stdout.readline() == "committed\n"
        with pytest.raises(ResultError, match="in use by another run"):
            open_for_writing(path)
        other.kill()
    before = path.read_bytes()
    expected = stored_map().states[2].T_world_cam[0, 3] + 1
    assert load(path).states[2].T_world_cam[0, 3] == expected     # from the log beside it
    assert path.read_bytes() == before
    open_for_writing(path).close()
    assert load(path).states[2].T_world_cam[0, 3] == expected
    assert [entry.name for entry in path.parent.iterdir()] == ["map.scn"]


def test_a_full_disk_is_told_and_what_was_saved_stays(path):
    database = open_for_writing(path)
    database.commit(moved(0))
    pages, = database._connection.execute("PRAGMA page_count").fetchone()
    database._connection.execute(f"PRAGMA max_page_count = {pages}")
    images = [(schema.KEYFRAMES, row) for row in large_keyframe_rows()]
    with pytest.raises(ResultError, match="full; what was saved before is complete"):
        database.commit(Changes([*moved(2).rows, *images]))
    database.close()
    found = load(path)
    assert found.states[0].T_world_cam[0, 3] == stored_map().states[0].T_world_cam[0, 3] + 1
    assert found.states[2].T_world_cam[0, 3] == stored_map().states[2].T_world_cam[0, 3]
    assert len(found.keyframes) == len(stored_map().keyframes)


def large_keyframe_rows():
    keyframe = stored_map().keyframes[0]
    return [keyframe_row(replace(keyframe, number=100 + n, image=bytes(10 ** 5)))
            for n in range(3)]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_file_is_told(path):
    path.chmod(stat.S_IRUSR)
    with pytest.raises(ResultError, match="it is read-only"):
        open_for_writing(path)
    assert load(path).keyframes
    assert [entry.name for entry in path.parent.iterdir()] == ["map.scn"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_told(path):
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(ResultError, match="cannot write beside"):
            open_for_writing(path)
        assert load(path).keyframes
    finally:
        path.parent.chmod(stat.S_IRWXU)
