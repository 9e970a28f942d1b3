"""A saved map is the map that the run had at its end, from either of its files."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from support.exact import ExactPredictor
from support.stored_maps import META, difference, stored_map
from support.walks import SMALL, Playback, small_config, walk

from scenecode.core.errors import ResultError
from scenecode.slam.config.files import config_text
from scenecode.slam.fusion import image_depths
from scenecode.slam.mapfile.editing import on_one_timeline, united
from scenecode.slam.mapfile.map_file import MapFile
from scenecode.slam.mapfile.storage.reading import load
from scenecode.slam.output.map_export import write_result
from scenecode.slam.output.output import Output
from scenecode.slam.output.result_folder import ResultFolder, load_result
from scenecode.slam.output.saved_map import SavedMap, open_saved
from scenecode.slam.records.trajectory import read_tum
from scenecode.slam.system import System


@dataclass(frozen=True)
class Run:
    """The files of a run, and its map from either."""

    folder: Path
    file: Path
    from_folder: SavedMap
    from_file: SavedMap
    #: calls of ``progress``
    progress: list[tuple[int, int]]
    predictor: ExactPredictor


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    frames = walk(1, 60, *SMALL)
    predictor, config = ExactPredictor(frames), small_config()
    meta = replace(META, width=SMALL[0], height=SMALL[1],
                   config=config_text(config, everything=True))
    file = MapFile.create(path / "room.map", meta, "rooms:1")
    folder = ResultFolder.create(path / "run", predictor.classes, "")
    output = Output(config.fusion, predictor.classes, folder=folder, map_writer=file)
    System(config, predictor, output=output).run(Playback(frames))
    file.close()
    folder.close()
    progress = []
    from_file = open_saved(path / "room.map", predictor, device="cpu",
                           progress=lambda done, total: progress.append((done, total)))
    return Run(folder=path / "run", file=path / "room.map", from_file=from_file,
               from_folder=open_saved(path / "run"), progress=progress, predictor=predictor)


@pytest.mark.slow
def test_a_map_file_and_the_folder_of_its_run_are_one_map(run):
    a, b = run.from_folder, run.from_file
    count = len(a.keyframes)
    assert run.progress == [(n, count) for n in range(1, count + 1)]
    for one, other in zip(a.keyframes, b.keyframes, strict=True):
        assert one.frame_index == other.frame_index
        assert np.allclose(one.T_world_cam, other.T_world_cam, atol=1e-6)
        # pixels of landmarks are rounded in the file
        assert (np.abs(one.depth - other.depth) < 0.02).mean() > 0.995
        assert (one.labels == other.labels).mean() > 0.99
    assert np.allclose(a.trajectory.T_world_cam, b.trajectory.T_world_cam, atol=1e-5)
    assert np.allclose(a.trajectory_live.T_world_cam, b.trajectory_live.T_world_cam, atol=1e-5)
    assert 0.95 < len(b.cloud) / len(a.cloud) < 1.05
    assert a.classes == b.classes and a.losses == b.losses == ()
    assert a.report["frames"] == b.report["frames"] == 60
    assert b.snapshot.keyframes == b.keyframes and b.snapshot.cloud is b.cloud


@pytest.mark.slow
def test_depths_from_images_are_read_from_the_file(run, monkeypatch):
    assert load(run.file).image_depths.keys() == load(run.file).keyframes.keys()
    with monkeypatch.context() as patched:
        patched.setattr(image_depths, "depth_in_pieces", None)     # cannot be called
        again = open_saved(run.file, run.predictor, device="cpu", dense=False)
        for one, other in zip(again.keyframes, run.from_file.keyframes, strict=True):
            assert np.array_equal(one.depth, other.depth)


def test_probabilities_of_a_map_file_are_those_of_its_labels(run):
    assert run.from_folder.probabilities(0) is None and not run.from_folder.has_probabilities
    saved = run.from_file
    for index, view in enumerate(saved.keyframes[:2]):
        found = saved.probabilities(index)
        assert found.shape == (len(saved.classes), *view.depth.shape)
        assert found.sum(0) == pytest.approx(np.ones(view.depth.shape), abs=1e-5)
        assert (found.argmax(0) == view.labels).mean() > 0.97


@pytest.mark.slow
def test_landmarks_project_to_where_keyframes_observe_them(run):
    saved = run.from_file
    landmarks, errors = saved.landmarks, []
    assert not len(run.from_folder.landmarks)
    assert set(landmarks.landmark.tolist()) == set(range(len(landmarks)))
    for landmark, place, pixel in zip(landmarks.landmark, landmarks.keyframe, landmarks.pixels):
        view = saved.keyframes[place]
        x = np.linalg.inv(view.T_world_cam) @ [*landmarks.points[landmark], 1]
        c = view.camera
        at = np.array([c.fx * x[0] / x[2] + c.cx, c.fy * x[1] / x[2] + c.cy])
        errors.append(np.abs(at - pixel).max())
    assert len(errors) > len(landmarks) and np.median(errors) < 1


@pytest.mark.slow
def test_up_is_away_from_the_floor(run):
    for saved in (run.from_folder, run.from_file):
        heights = (saved.cloud.points @ saved.T_ground_world[2, :3]) + saved.T_ground_world[2, 3]
        floor = saved.cloud.labels == saved.classes.names.index("floor")
        assert abs(np.median(heights[floor])) < 0.05 < np.median(heights[~floor])
        assert np.median(np.abs(heights[floor])) < 0.12


@pytest.mark.slow
def test_it_is_written_as_the_run_itself_wrote_it(run, tmp_path):
    exported = ResultFolder.create(tmp_path / "export", run.predictor.classes, "")
    write_result(run.from_file, exported)
    names = [sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))
             for folder in (run.folder, tmp_path / "export")]
    assert names[0] == names[1] and "overview.png" in names[0]
    assert len(load_result(tmp_path / "export").keyframes) == len(run.from_file.keyframes)
    assert len(read_tum(tmp_path / "export" / "trajectory.txt")) == len(run.from_file.trajectory)
    report = json.loads((tmp_path / "export" / "report.json").read_text())
    assert report["frames"] == report["tracked"] == 60


@pytest.mark.slow
def test_poses_cost_no_network_and_maps_are_made_when_they_are_used(run, monkeypatch):
    predicted = []
    monkeypatch.setattr(run.predictor, "predict", lambda image, camera: predicted.append(1)
                        or ExactPredictor.predict(run.predictor, image, camera))
    light = open_saved(run.file, run.predictor, device="cpu", dense=False)
    assert [view.frame_index for view in light.keyframes] \
        == [view.frame_index for view in run.from_file.keyframes]
    assert np.array_equal(light.trajectory.T_world_cam, run.from_file.trajectory.T_world_cam)
    assert not len(light.cloud) and not predicted
    assert np.array_equal(light.keyframes[1].labels, run.from_file.keyframes[1].labels)
    assert np.array_equal(light.keyframes[1].depth, run.from_file.keyframes[1].depth)
    assert predicted


def test_what_is_no_map_is_refused(tmp_path):
    (tmp_path / "text").write_text("hello")
    for path, reason in ((tmp_path, "not a result folder"), (tmp_path / "text", "is no map file"),
                         (tmp_path / "none", "no such map file or result folder")):
        with pytest.raises(ResultError, match=reason):
            open_saved(path)


def test_sessions_follow_each_other_in_time():
    one = on_one_timeline(stored_map())
    both = on_one_timeline(united(stored_map(), stored_map()))
    stamps = np.concatenate([both.frames[n].timestamp for n in sorted(both.frames)])
    index = np.concatenate([both.frames[n].index for n in sorted(both.frames)])
    assert (np.diff(stamps) > 0).all() and (np.diff(index) > 0).all()
    assert difference(one.frames[0], stored_map().frames[0]) == 0
    assert both.keyframes[8].timestamp - both.keyframes[2].timestamp \
        == pytest.approx(both.frames[2].timestamp[0] - both.frames[0].timestamp[0])
