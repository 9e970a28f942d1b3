"""A map file becomes the result folder that the run itself would have written."""

import json

import numpy as np
import pytest
from support.exact import ExactPredictor
from support.stored_maps import META, difference, stored_map
from support.walks import SMALL, Playback, small_config, walk

from scenecode.slam.mapfile.editing import on_one_timeline, united
from scenecode.slam.mapfile.map_file import MapFile
from scenecode.slam.mapfile.storage.reading import load
from scenecode.slam.output.map_export import export_map
from scenecode.slam.output.output import Output
from scenecode.slam.output.result_folder import ResultFolder, load_result
from scenecode.slam.system import System


@pytest.mark.slow
def test_an_exported_map_is_the_result_of_the_run(tmp_path):
    frames = walk(1, 60, *SMALL)
    predictor, config = ExactPredictor(frames), small_config()
    meta = META.__class__(**{**vars(META), "width": SMALL[0], "height": SMALL[1]})
    file = MapFile.create(tmp_path / "room.map", meta, "rooms:1")
    folder = ResultFolder.create(tmp_path / "run", predictor.classes, "")
    output = Output(config.fusion, predictor.classes, folder=folder, map_writer=file)
    System(config, predictor, output=output).run(Playback(frames))
    file.close()
    stored = load(tmp_path / "room.map")
    done = []
    exported = ResultFolder.create(tmp_path / "export", predictor.classes, "")
    export_map(stored, predictor, config, exported, lambda: done.append(1))
    assert len(done) == len(stored.keyframes)
    names = [sorted(str(p.relative_to(tmp_path / name)) for p in (tmp_path / name).rglob("*"))
             for name in ("run", "export")]
    assert names[0] == names[1] and "overview.png" in names[0]
    live, again = load_result(tmp_path / "run"), load_result(tmp_path / "export")
    assert np.allclose(live.trajectory, again.trajectory, atol=1e-5)
    for a, b in zip(live.keyframes, again.keyframes, strict=True):
        assert a.frame_index == b.frame_index and np.allclose(a.T_world_cam, b.T_world_cam)
        assert np.abs(a.depth - b.depth).max() < 0.02
        assert (a.labels == b.labels).mean() > 0.99
    assert 0.95 < len(again.cloud.points) / len(live.cloud.points) < 1.05
    report = json.loads((tmp_path / "export" / "report.json").read_text())
    assert report["frames"] == report["tracked"] == 60


def test_sessions_follow_each_other_in_time():
    one = on_one_timeline(stored_map())
    both = on_one_timeline(united(stored_map(), stored_map()))
    stamps = np.concatenate([both.frames[n].timestamp for n in sorted(both.frames)])
    index = np.concatenate([both.frames[n].index for n in sorted(both.frames)])
    assert (np.diff(stamps) > 0).all() and (np.diff(index) > 0).all()
    assert difference(one.frames[0], stored_map().frames[0]) == 0
    assert both.keyframes[8].timestamp - both.keyframes[2].timestamp \
        == pytest.approx(both.frames[2].timestamp[0] - both.frames[0].timestamp[0])
