"""The benchmark of the whole system: it measures a real walk on maps of different sizes."""

import json

import pytest

from scenecode.cli.main import main


@pytest.mark.slow
def test_walk_is_measured_on_maps_of_several_sizes(capsys):
    assert main(["bench", "system", "rooms:7:60", "--max-frames", "40", "--sizes", "0", "8",
                 "--set", "width=128", "--set", "height=96",
                 "--set", "mapping.global_adjustment=false", "--set", "fusion.labels=none",
                 "--set", "fusion.refinement.method=none", "--json"]) == 0
    sizes = json.loads(capsys.readouterr().out)["sizes"]
    assert sizes.keys() == {"0", "8"}
    for name in ("tracking alone, median", "tracking beside mapping, median",
                 "tracking beside mapping, 99 %", "keyframe to map, median",
                 "keyframe to screen, median", "keyframe to disk, median", "iteration, mean",
                 "network and features, mean", "resident MB"):
        assert all(measured[name] > 0 for measured in sizes.values()), name


def test_too_short_a_walk_is_refused(capsys):
    assert main(["bench", "system", "rooms:7:4", "--max-frames", "4", "--sizes", "0"]) == 1
    assert "too few to measure" in capsys.readouterr().err
