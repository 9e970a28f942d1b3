"""``evaluate model`` on data that do not know all that a network answers, or in other classes."""

import json

import pytest
from support import data_layouts as layouts

from scenecode.cli.main import main
from scenecode.networks.classes import CAMVID_11, CITYSCAPES_19
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.inference.checkpoint import save_checkpoint

#: What every answer has, ``null`` where it is not known.
OF_LABELS = {"miou", "pixel_accuracy", "class_accuracy"}
OF_DEPTH = {"abs_rel", "sq_rel", "rmse_m", "rmse_log", "delta1", "delta2", "delta3"}


def evaluated(capsys, *arguments):
    """What the command prints, which must be JSON as everybody reads it, and its warnings."""
    assert main(["evaluate", "model", "--device", "cpu", "--json", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    return json.loads(out, parse_constant=lambda name: 1 / 0), err


def known(answer):
    """The scores of the contract that an answer has."""
    assert answer.keys() >= OF_LABELS | OF_DEPTH
    return {name for name in OF_LABELS | OF_DEPTH if answer[name] is not None}


@pytest.mark.slow
def test_what_data_do_not_know_is_null(tmp_path, tiny_weights, capsys):
    layouts.write_camvid(tmp_path / "camvid")
    layouts.write_kitti_projected(tmp_path / "kitti")
    streets = tmp_path / "streets.safetensors"
    config = SceneCodeConfig(width=64, height=64, depth_code=2, semantic_code=2,
                             decoder_channels=(8, 8, 8, 8), recognition_channels=(4, 4))
    save_checkpoint(streets, SceneCode(config, CITYSCAPES_19), {})
    camvid = ("--data", "camvid", "--root", tmp_path / "camvid", "--split", "val")
    joined, _ = evaluated(capsys, *camvid, "--model", streets, "--classes", 11)
    assert tuple(joined["classes"]) == CAMVID_11.names
    assert known(joined["zero_code"]) == known(joined["encoded"]) == OF_LABELS
    lidar, _ = evaluated(capsys, "--data", "kitti", "--root", tmp_path / "kitti",
                         "--model", streets)
    assert known(lidar["zero_code"]) == OF_DEPTH
    # no class of rooms is one of streets
    indoors, warnings = evaluated(capsys, *camvid, "--model", tiny_weights)
    assert not known(indoors["zero_code"])
    assert "depth alone is scored" in " ".join(warnings.split())
    assert main(["evaluate", "model", *map(str, camvid), "--model", str(tiny_weights),
                 "--classes", "11"]) == 1
    assert "none of the network's classes" in capsys.readouterr().err
