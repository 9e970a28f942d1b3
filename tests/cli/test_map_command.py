"""``scenecode map``."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support.stored_maps import META, jpeg, stored_map

from scenecode.cli.main import main
from scenecode.slam.mapfile.storage.database import Database
from scenecode.slam.mapfile.storage.reading import load
from scenecode.slam.mapfile.storage.writing import write_map


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "kitchen.map"
    write_map(path, stored_map())
    return path


def fails(capsys, *arguments):
    """Standard error of a call that must end with exit status 1."""
    assert main([str(argument) for argument in arguments]) == 1
    err = capsys.readouterr().err
    assert "scenecode: error: " in err and "Traceback" not in err
    return err


@pytest.mark.parametrize("kind", ["info", "check", "compact", "cut", "merge"])
def test_help_shows_examples(kind, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["map", kind, "--help"])
    assert ended.value.code == 0 and f"scenecode map {kind} " in capsys.readouterr().out


def test_info_tells_what_is_in_a_map_and_leaves_it(path, capsys):
    before = path.read_bytes()
    assert main(["map", "info", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["keyframes"] == 5 and found["frames"] == 43 and found["loops"] == 1
    assert found["bytes"] == len(before) and found["model"] == "made-up"
    images = [len(entry.image) for entry in stored_map().keyframes.values()]
    assert sum(images) / 5 < found["bytes_per_keyframe"] < len(before) / 5
    assert found["classes"] == list(stored_map().meta.classes.names)
    assert [session["frames"] for session in found["sessions"]] == [40, 3]
    assert found["created"] == "2001-09-09T01:46:40+00:00"
    assert main(["map", "info", str(path)]) == 0
    # a narrow terminal breaks long lines
    out = capsys.readouterr().out
    assert "kitchen" in out and "40 frames" in out
    assert path.read_bytes() == before


def test_names_with_brackets_are_shown_as_they_are(path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")    # a narrow terminal breaks long names
    named = path.rename(path.with_name("[red].map"))
    assert main(["map", "info", str(named)]) == 0
    assert " [red].map" in capsys.readouterr().out.replace("/", " ")


def test_check_ends_with_the_reason_for_a_bad_file(path, capsys):
    assert main(["map", "check", str(path)]) == 0
    assert "whole, 5 keyframes and 43 frames" in capsys.readouterr().out
    data = bytearray(path.read_bytes())
    data[data.index(b"\xff\xd8") + 200] ^= 1     # in the image of a keyframe
    path.write_bytes(data)
    err = " ".join(fails(capsys, "map", "check", path).split())
    assert "table keyframes, row" in err and "its checksum differs" in err
    assert path.read_bytes() == bytes(data)
    assert "no such map file" in fails(capsys, "map", "check", path.with_name("other.map"))


def test_cut_makes_a_new_map_of_a_part(path, tmp_path, capsys):
    out = tmp_path / "part.map"
    assert main(["map", "cut", str(path), "--keyframes", "0,3-4", "--out", str(out)]) == 0
    assert set(load(out).keyframes) == {0, 3, 4}
    assert "exists already" in fails(capsys, "map", "cut", path, "--time", ":1", "--out", out)
    assert "say which part" in fails(capsys, "map", "cut", path, "--out", tmp_path / "other")
    assert "no keyframe" in fails(capsys, "map", "cut", path, "--near", "99,0,0,1", "--out",
                                  tmp_path / "other")
    for condition, value, rule in (("--keyframes", "all", "numbers and ranges"),
                                   ("--keyframes", "5-2", "numbers and ranges"),
                                   ("--time", "5:1", "rising times"),
                                   ("--near", "0,0,0,nan", "four numbers of metres")):
        with pytest.raises(SystemExit):
            main(["map", "cut", str(path), condition, value, "--out", str(out)])
        assert rule in capsys.readouterr().err


def test_compact_leaves_a_file_that_is_in_use(path, capsys):
    assert main(["map", "compact", str(path)]) == 0
    database, _ = Database.open(path, load)
    assert "in use by another run" in fails(capsys, "map", "compact", path)
    database.close()
    assert len(load(path).keyframes) == 5


def test_maps_of_other_networks_are_not_merged(path, tmp_path, capsys):
    other, out = tmp_path / "other.map", tmp_path / "out.map"
    write_map(other, replace(stored_map(), meta=replace(META, fingerprint="1" * 64, model="b")))
    assert "when one network made both" in fails(capsys, "map", "merge", path, other, "--out", out)
    main(["map", "cut", str(path), "--keyframes", "0", "--out", str(tmp_path / "part.map")])
    for same in (path, tmp_path / "part.map"):
        assert "already, so there is nothing" in fails(capsys, "map", "merge", path, same, "--out",
                                                       out)
    second = stored_map()
    write_map(tmp_path / "second.map", replace(second, keyframes={
        n: replace(entry, image=jpeg(np.random.default_rng(9)))
        for n, entry in second.keyframes.items()}))
    err = " ".join(fails(capsys, "map", "merge", path, tmp_path / "second.map", "--out", out,
                         "--model", "scenecode_lite1").split())
    assert "was made with the network 'made-up'" in err and "which cannot read its codes" in err
    assert "exists already" in fails(capsys, "map", "merge", path, path, "--out", path)
    assert not out.exists()
