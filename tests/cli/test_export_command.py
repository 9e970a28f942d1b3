"""``scenecode export``."""

import json

import numpy as np
import pytest

from scenecode.cli.main import main
from scenecode.networks.inference.checkpoint import load_predictor
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.exports.formats import FORMATS
from scenecode.slam.mapfile.fingerprint import map_meta, weights_fingerprint
from scenecode.slam.mapfile.map_file import MapFile
from scenecode.slam.output.output import Output
from scenecode.slam.output.result_folder import load_result
from scenecode.slam.records.trajectory import read_tum
from scenecode.slam.sources.rooms import RoomsSource
from scenecode.slam.system import System


@pytest.fixture(scope="module")
def path(tiny_weights, tmp_path_factory):
    """The map of a walk of six frames."""
    config = SlamConfig(width=64, height=64, model=str(tiny_weights), device="cpu")
    predictor = load_predictor(tiny_weights)
    path = tmp_path_factory.mktemp("map") / "room.map"
    file = MapFile.create(path, map_meta(config, predictor, weights_fingerprint(tiny_weights)),
                          "rooms:1:6")
    output = Output(config.fusion, predictor.classes, map_writer=file)
    System(config, predictor, output=output).run(RoomsSource(1, 6, 64, 64))
    file.close()
    return path


@pytest.mark.slow
def test_a_map_becomes_a_result_folder(path, tmp_path, capsys):
    before, out = path.read_bytes(), tmp_path / "out"
    assert main(["export", str(path), "--out", str(out), "--device", "cpu"]) == 0
    assert "6 frames" in " ".join(capsys.readouterr().out.split())
    assert len(load_result(out).keyframes) >= 1
    assert json.loads((out / "report.json").read_text())["frames"] == 6
    assert path.read_bytes() == before
    # another network cannot read its codes
    assert main(["export", str(path), "--out", str(tmp_path / "other"), "--model",
                 "scenecode_lite1"]) == 1
    assert "which cannot read its codes" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_formats_of_a_map_file_and_of_a_result_folder(path, tmp_path, capsys):
    assert main(["export", str(path), "--format", "npz", "--out", str(tmp_path / "npz")]) == 0
    with np.load(next((tmp_path / "npz" / "keyframes").iterdir())) as found:
        assert found["probabilities"].shape[1:] == found["depth"].shape
    assert main(["export", str(path), "--out", str(tmp_path / "result")]) == 0
    for name, source in (("file", path), ("folder", tmp_path / "result")):
        out = tmp_path / f"{name}.txt"
        assert main(["export", str(source), "--format", "tum", "--out", str(out)]) == 0
        assert "6 frames" in " ".join(capsys.readouterr().out.split())
    a, b = (read_tum(tmp_path / f"{name}.txt") for name in ("file", "folder"))
    assert np.allclose(a.T_world_cam, b.T_world_cam, atol=1e-6)


@pytest.mark.parametrize("arguments, reason", [
    (["none.map", "--format", "xyz"], "--format xyz is unknown; choose one of ply,"),
    (["none.map", "--format", "tum"], "no such map file or result folder"),
    (["none.map", "--format", "tum", "--probabilities"], "--probabilities is for --format ply"),
    (["none.map", "--format", "floorplan", "--resolution", "0"], "between 0.001 and 10 metres"),
    ([".", ], "give a map file, or a --format, one of ply"),
])
def test_what_cannot_be_exported_says_why(tmp_path, monkeypatch, capsys, arguments, reason):
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments, "--out", "out"]) == 1
    assert reason in " ".join(capsys.readouterr().err.split())
    assert not [*tmp_path.iterdir()]


def test_help_states_formats_axes_and_units(capsys):
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in FORMATS)
    assert "Units are metres and seconds" in text and "x to the right, y down, z ahead" in text
