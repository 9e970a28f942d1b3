"""``scenecode export``."""

import json

import pytest

from scenecode.cli.main import main
from scenecode.networks.inference.checkpoint import load_predictor
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.mapfile.fingerprint import map_meta, weights_fingerprint
from scenecode.slam.mapfile.map_file import MapFile
from scenecode.slam.output.output import Output
from scenecode.slam.output.result_folder import load_result
from scenecode.slam.sources.rooms import RoomsSource
from scenecode.slam.system import System


@pytest.fixture
def path(tiny_weights, tmp_path):
    """The map of a walk of six frames."""
    config = SlamConfig(width=64, height=64, model=str(tiny_weights), device="cpu")
    predictor = load_predictor(tiny_weights)
    path = tmp_path / "room.map"
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
    assert "6 frames" in capsys.readouterr().out
    assert len(load_result(out).keyframes) >= 1
    assert json.loads((out / "report.json").read_text())["frames"] == 6
    assert path.read_bytes() == before
    # another network cannot read its codes
    assert main(["export", str(path), "--out", str(tmp_path / "other"), "--model",
                 "scenecode_lite1"]) == 1
    assert "which cannot read its codes" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "other").exists()
