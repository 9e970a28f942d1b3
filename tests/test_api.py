"""The public names, used as the README shows them."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from support.exact import ExactPredictor
from support.walks import SMALL, small_config

import scenecode
from scenecode import PinholeCamera
from scenecode.slam.evaluation.scores import trajectory_errors
from scenecode.slam.records.trajectory import Trajectory


def pixels(frame):
    """(H, W, 3) uint8."""
    return (frame.image * 255).round().byte().permute(1, 2, 0).numpy()


@pytest.fixture(scope="module")
def images(small_walk):
    """40 images with their stamps, as a camera gives them."""
    return [(frame.timestamp, pixels(frame)) for frame in small_walk[:40]]


class FlatWall:
    """A predictor of one's own: everything is two metres away, of the same class."""

    classes = scenecode.ClassSet(("wall", "floor"), ((200, 60, 60), (60, 200, 60)))
    width, height = SMALL

    def predict(self, image, camera):
        depth = torch.full((self.height, self.width), 2.0)
        scores = torch.zeros(2, self.height, self.width)
        scores[0] = 3.0
        return scenecode.Prediction.without_codes(depth, 0.2 * depth, scores, self.classes)


def test_every_public_name_is_there_and_documented():
    for name in scenecode.__all__:
        value = getattr(scenecode, name)
        assert name.startswith("__") or value.__doc__, name
    assert set(scenecode.__all__) <= set(dir(scenecode))
    with pytest.raises(AttributeError, match="no attribute 'Sytem'"):
        _ = scenecode.Sytem


def test_importing_the_package_loads_no_network():
    code = "import scenecode, sys; print('torch' in sys.modules, scenecode.__version__)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", scenecode.__version__]


@pytest.mark.slow
def test_images_are_pushed_one_by_one(images, small_walk):
    maps = []
    system = scenecode.System(small_config(), ExactPredictor(small_walk), on_map=maps.append,
                              camera=small_walk[0].camera)
    with system:
        poses = [system.track(image, timestamp) for timestamp, image in images]
    truth = torch.stack([f.truth.T_world_cam for f in small_walk[:40]]).numpy()
    assert all(pose.shape == (4, 4) and pose.dtype == np.float64 for pose in poses)
    stamps = np.array([timestamp for timestamp, _ in images])
    errors = trajectory_errors(Trajectory(stamps, truth), Trajectory(stamps, np.stack(poses)))
    assert errors["ate_m"] < 0.03 * errors["path_length_m"] and errors["rotation_deg"] < 1
    versions = [snapshot.version for snapshot in maps]
    assert len(versions) >= 3 and versions == sorted(set(versions))
    assert maps[-1] is system.snapshot and len(system.snapshot.cloud.points) > 500
    assert system.report["tracked"] == 40


@pytest.mark.slow
def test_the_map_can_be_polled_while_images_come_in(images, small_walk):
    with scenecode.System(small_config(), ExactPredictor(small_walk),
                          camera=small_walk[0].camera) as system:
        seen = []
        for timestamp, image in images:
            system.track(image, timestamp)
            seen.append((system.snapshot.version, len(system.snapshot.keyframes)))
    assert seen[0] == (1, 1) and seen[-1][1] >= 2 and seen == sorted(seen)


@pytest.mark.slow
def test_pushing_to_a_threaded_system_maps_the_same_room(images, small_walk):
    with scenecode.System(small_config(), ExactPredictor(small_walk), threaded=True,
                          camera=small_walk[0].camera) as system:
        poses = [system.track(image, timestamp) for timestamp, image in images]
    assert all(pose is not None for pose in poses)
    assert len(system.snapshot.trajectory) == 40


def test_a_distorted_camera_is_undone(images, small_walk):
    """Its images are rectified: the frames have an ideal camera."""
    ideal = small_walk[0].camera
    bent = PinholeCamera(ideal.fx, ideal.fy, ideal.cx, ideal.cy, ideal.width, ideal.height,
                         scenecode.BrownConrady(k1=0.05))
    cameras = []
    with scenecode.System(small_config(), FlatWall(), camera=bent,
                          on_frame=lambda frame, tracked: cameras.append(frame.camera)) as system:
        system.track(images[0][1], 0.0)
    assert not cameras[0].is_distorted and cameras[0].width == ideal.width


def test_a_failure_of_mapping_reaches_the_one_who_pushes(images, small_walk):
    class Broken(FlatWall):
        def predict(self, image, camera):
            raise RuntimeError("out of memory")

    system = scenecode.System(small_config(), Broken(), threaded=True,
                              camera=small_walk[0].camera)
    with pytest.raises(RuntimeError, match="out of memory"):
        with system:
            for timestamp, image in images:
                system.track(image, timestamp)
    assert len(system.recording.tracked) < len(images)


@pytest.mark.parametrize("image, timestamp, message", [
    (np.zeros((10, 10, 3), np.uint8), 1.0, r"shape \(10, 10, 3\).*needs \(96, 128, 3\) uint8"),
    (np.zeros((96, 128, 3), np.float32), 1.0, "type float32"),
    (None, 1.0, r"shape \(\) and type object"),
    (np.zeros((96, 128, 3), np.uint8), float("nan"), "timestamp nan is no time"),
    (np.zeros((96, 128, 3), np.uint8), 0.0, "does not rise")])
def test_images_that_cannot_be_used_are_refused(images, small_walk, image, timestamp, message):
    with scenecode.System(small_config(), ExactPredictor(small_walk),
                          camera=small_walk[0].camera) as system:
        assert system.track(images[0][1], 0.0) is not None
        with pytest.raises(scenecode.ScenecodeError, match=message):
            system.track(image, timestamp)


def test_the_error_of_a_system_without_a_camera_names_the_cure(images, small_walk):
    with scenecode.System(small_config(), ExactPredictor(small_walk)) as system:
        with pytest.raises(scenecode.ScenecodeError, match="System\\(camera=PinholeCamera"):
            system.track(images[0][1], 0.0)


def test_a_closed_system_is_not_used_again(images, small_walk):
    system = scenecode.System(small_config(), ExactPredictor(small_walk),
                              camera=small_walk[0].camera)
    system.track(images[0][1], 0.0)
    system.close()
    system.close()
    with pytest.raises(scenecode.ScenecodeError, match="make a new one"):
        system.track(images[1][1], 1.0)


@pytest.mark.slow
def test_a_source_is_run_and_its_result_loaded(tiny_weights, tmp_path):
    source = scenecode.open_source("rooms:1:10", scenecode.SourceOptions(width=64, height=64))
    config = scenecode.SlamConfig(width=64, height=64, model=str(tiny_weights))
    system = scenecode.System(config, out=tmp_path / "result")
    system.run(source)
    assert system.report["frames"] == 10 and system.report["ate_m"] >= 0
    result = scenecode.load_result(tmp_path / "result")
    assert len(result.trajectory) == 10
    assert result.keyframes[0].depth.shape == (64, 64) and result.classes.names[4] == "floor"


@pytest.mark.slow
def test_one_image_is_predicted(tiny_weights):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (120, 160, 3), np.uint8)
    camera = PinholeCamera(150, 150, 79.5, 59.5, 160, 120)
    predictor = scenecode.load_predictor(tiny_weights)
    found = scenecode.predict(image, camera, predictor)
    assert found.image.shape == (64, 64, 3) and found.camera.width == 64
    for maps in (found.depth, found.depth_std, found.labels, found.probabilities[0]):
        assert maps.shape == (64, 64)
    assert (found.depth > 0).all() and (found.depth_std > 0).all()
    assert (found.labels == found.probabilities.argmax(0)).all()
    assert len(found.classes.names) == len(found.probabilities) == 13
    with pytest.raises(scenecode.ScenecodeError, match=r"needs \(120, 160, 3\) uint8"):
        scenecode.predict(image[:100], camera, predictor)


def test_labels_of_an_rgbd_system_are_fused(small_walk):
    """The exact predictor errs in its own way in every view: two views know more than one."""
    predictor = ExactPredictor(small_walk)
    frames = small_walk[0:12:6]
    views = [scenecode.make_label_view(pixels(f), f.truth.depth.numpy(),
                                       f.truth.T_world_cam.numpy(), f.camera, predictor)
             for f in frames]
    right = [(scenecode.fuse_labels(views[:n], "average").argmax(0)
              == frames[0].truth.labels.numpy()).mean() for n in (1, 2)]
    assert right[1] > right[0] > 0.5
    with pytest.raises(scenecode.ScenecodeError, match="choose one of"):
        scenecode.fuse_labels(views, "majority")


@pytest.mark.slow
def test_a_predictor_of_ones_own_runs_the_system(images, small_walk):
    with scenecode.System(small_config(), FlatWall(), camera=small_walk[0].camera) as system:
        poses = [system.track(image, timestamp) for timestamp, image in images[:12]]
    assert sum(pose is not None for pose in poses) >= 8
    assert set(np.unique(system.snapshot.keyframes[0].labels)) == {0}
    assert abs(np.median(system.snapshot.keyframes[0].depth) - 2) < 0.3


@pytest.mark.parametrize("change, message", [
    (lambda d, s, logits: (d, s, logits * float("nan")), "logits_zero holds numbers that are not"),
    (lambda d, s, logits: (-d, s, logits), "depth of a network must be positive"),
    (lambda d, s, logits: (d, 0 * s, logits), "depth_std of a network must be positive"),
    (lambda d, s, logits: (d.T, s.T, logits.transpose(1, 2)), "keep its aspect, rows first"),
    (lambda d, s, logits: (d, s, logits[:1]), "for the 2 classes of its label set"),
    (lambda d, s, logits: (d[None], s[None], logits), r"they must be \(h, w\)"),
    (lambda d, s, logits: None, "must return a Prediction .* not NoneType")])
def test_answers_of_a_predictor_that_cannot_be_are_refused(images, small_walk, change, message):
    class Wrong(FlatWall):
        def predict(self, image, camera):
            depth = torch.full((self.height, self.width), 2.0)
            maps = change(depth, 0.2 * depth, torch.zeros(2, self.height, self.width))
            return maps and scenecode.Prediction.without_codes(*maps, self.classes)

    camera = small_walk[0].camera
    with pytest.raises(scenecode.ScenecodeError, match=message):
        scenecode.predict(images[0][1], camera, Wrong())
    with pytest.raises(scenecode.ScenecodeError, match=message):
        with scenecode.System(small_config(), Wrong(), camera=camera) as system:
            system.track(images[0][1], 0.0)


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.float32])
def test_a_predictor_may_answer_in_numpy(images, small_walk, kind):
    class InNumpy(FlatWall):
        def predict(self, image, camera):
            depth = np.full((self.height, self.width), 2, kind)
            logits = np.zeros((2, self.height, self.width), kind)
            return scenecode.Prediction.without_codes(depth, depth / 5, logits, self.classes)

    with scenecode.System(small_config(), InNumpy(), camera=small_walk[0].camera) as system:
        assert system.track(images[0][1], 0.0) is not None
    assert abs(np.median(system.snapshot.keyframes[0].depth) - 2) < 0.01


@pytest.mark.parametrize("depth, pose, message", [
    (np.full((96, 128), 2000, np.uint16), np.eye(4), "type uint16.* z in metres"),
    (np.full((96, 128), 2.0), np.eye(4)[:3], "T_world_cam must be a"),
    (np.full((96, 128), 2.0), np.full((4, 4), np.nan), "T_world_cam must be a"),
    (np.full((96, 128), 2.0), np.diag([2, 2, 2, 1.0]), "T_world_cam must be a")])
def test_views_that_cannot_be_are_refused(images, small_walk, depth, pose, message):
    with pytest.raises(scenecode.ScenecodeError, match=message):
        scenecode.make_label_view(images[0][1], depth, pose, small_walk[0].camera, FlatWall())


def test_unknown_depth_of_a_view_may_be_nan(images, small_walk):
    camera = small_walk[0].camera
    views = [scenecode.make_label_view(images[0][1], np.full((96, 128), value), np.eye(4), camera,
                                       FlatWall()) for value in (np.nan, 2.0)]
    assert np.isfinite(scenecode.fuse_labels(views, "average")).all()


@pytest.mark.slow
def test_a_script_needs_no_guard_to_run_threaded(tmp_path, tiny_weights):
    """What the README shows, as a plain script: it runs once, in one process."""
    (tmp_path / "mine.py").write_text(f"""
import numpy as np
import scenecode

print("begin")
camera = scenecode.PinholeCamera(64, 64, 31.5, 31.5, width=64, height=64)
config = scenecode.SlamConfig(width=64, height=64, model={str(tiny_weights)!r})
image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
with scenecode.System(config, camera=camera, threaded=True) as system:
    print(system.track(image, 0.0) is not None)
""", encoding="utf-8")
    done = subprocess.run([sys.executable, str(tmp_path / "mine.py")], capture_output=True,
                          text=True, timeout=120, cwd=tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["begin", "True"]), done.stderr


@pytest.mark.slow
def test_the_folder_of_a_system_is_its_own_until_it_is_closed(tiny_weights, tmp_path):
    config = scenecode.SlamConfig(width=64, height=64, model=str(tiny_weights))
    first = scenecode.System(config, out=tmp_path / "result")
    with pytest.raises(scenecode.ScenecodeError, match="in use"):
        scenecode.System(config, out=tmp_path / "result")
    first.close()
    scenecode.System(config, out=tmp_path / "result").close()
