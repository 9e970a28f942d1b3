"""``run --map-form polygons``: the polygon map beside the usual results."""

import json

import pytest
import trimesh

from scenecode.cli import run
from scenecode.cli.main import main
from scenecode.networks.classes import NYU13
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.sources.rooms import RoomsSource

KEYS = ("polygons", "polygon_bytes", "point_bytes", "boundary_bytes", "polygon_label_change")
FILES = ("polygons.glb", "polygons.ply", "polygons.geojson", "polygons.png")


@pytest.mark.slow
def test_a_run_writes_its_map_as_polygons(tiny_weights, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["run", "rooms:1:6", "--sequential", "--out", str(out), "--model",
                 str(tiny_weights), "--set", "width=64", "--set", "height=64", "--map-form",
                 "polygons"]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["frames"] == 6 and set(KEYS) <= report.keys()
    assert "polygon_bytes" in capsys.readouterr().out
    assert all((out / name).is_file() for name in FILES)
    scene = trimesh.load(out / "polygons.glb", process=False)
    plan = json.loads((out / "polygons.geojson").read_text())
    assert len(scene.geometry) and len(plan["features"]) == report["polygons"] > 0
    # the next run leaves none of an earlier map
    ResultFolder.create(out, NYU13, "").close()
    assert not any((out / name).exists() for name in FILES)


@pytest.mark.slow
def test_the_street_demo_needs_no_network_and_makes_polygons(tmp_path, monkeypatch, capsys):
    # a small room in place of the street, whose images take longer
    opened = []

    def open_small(spec, options):
        opened.append(spec)
        return RoomsSource(1, 6, options.width, options.height)

    monkeypatch.setattr(run, "open_source", open_small)
    monkeypatch.setattr(run, "STREET_SIZE", (96, 64))
    out = tmp_path / "out"
    assert main(["demo", "--street", "--seed", "3", "--out", str(out)]) == 0
    assert opened == [f"streets:3:{run.DRIVE_FRAMES}"]
    assert "no network is used" in " ".join(capsys.readouterr().err.split())
    report = json.loads((out / "report.json").read_text())
    assert {"ate_m", "path_length_m", *KEYS} <= report.keys()
    assert report["ate_m"] < 0.01 and report["abs_rel"] < 0.05
    assert 0 < 10 * report["polygon_bytes"] < report["point_bytes"]
    assert all((out / name).is_file() for name in FILES)


def test_polygons_need_a_folder(capsys):
    assert main(["run", "rooms:1:6", "--map-form", "polygons"]) == 1
    assert "add --out DIR" in " ".join(capsys.readouterr().err.split())
