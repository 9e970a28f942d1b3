"""A walk that returns to its start, through the command line and with the shipped network."""

import json

import pytest

from scenecode.cli.main import main
from scenecode.core.images import image_to_uint8, write_rgb
from scenecode.slam.sources.rooms import RoomsSource

#: Frames of a room's walk, there and back along other frames of the same path.
THERE_AND_BACK = (0, 8, 16, 24, 32, 36, 28, 20, 12, 4)
#: Every frame becomes a keyframe, and the map is optimised hardly at all but for loops.
SETTINGS = ("keyframes.min_interval=0", "keyframes.max_translation=0.01",
            "mapping.loops.min_age=5", "mapping.global_adjustment=false",
            "fusion.labels=none", "fusion.refinement.method=none",
            "mapping.schedule=[{stage: geometry, level: 2, iterations: 2}]")


@pytest.mark.slow
def test_a_walk_that_returns_closes_a_loop_and_reports_it(tmp_path, capsys):
    room = RoomsSource(1, 60)
    images = tmp_path / "images"
    images.mkdir()
    for number, index in enumerate(THERE_AND_BACK):
        write_rgb(images / f"{number:03d}.png", image_to_uint8(room.frame(index).image))
    c = room.camera
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    assert main(["run", str(images), "--intrinsics", f"{c.fx},{c.fy},{c.cx},{c.cy}",
                 "--lens", "as-given", "--sequential", "--out", str(tmp_path / "result"),
                 *settings]) == 0
    report = json.loads((tmp_path / "result" / "report.json").read_text())
    assert report["tracked"] == report["keyframes"] == len(THERE_AND_BACK)
    assert report["loops"] >= 1
    shown = next(line for line in capsys.readouterr().out.splitlines() if "loops" in line)
    assert str(report["loops"]) in shown
