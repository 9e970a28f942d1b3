"""``run --map-form polygons``: the polygon map beside the usual results."""

import json

import pytest
import trimesh

from scenecode.cli.main import main
from scenecode.networks.classes import NYU13
from scenecode.slam.output.result_folder import ResultFolder

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


def test_polygons_need_a_folder(capsys):
    assert main(["run", "rooms:1:6", "--map-form", "polygons"]) == 1
    assert "add --out DIR" in " ".join(capsys.readouterr().err.split())
