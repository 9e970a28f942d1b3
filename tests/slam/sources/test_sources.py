"""Sources on small files: what is opened as what, stamps, cameras, truth, and bad input."""

import logging
import threading
import time

import cv2
import numpy as np
import pytest
import torch

from scenecode.core.errors import SourceError
from scenecode.slam.records.trajectory import Trajectory, write_tum
from scenecode.slam.sources import SourceOptions, open_source
from scenecode.slam.sources.base.prefetch import AHEAD, prefetch
from scenecode.slam.sources.cameras.webcam import MAX_FAILED_READS, Webcam

W, H = 64, 48
K = (60.0, 60.0, 31.5, 23.5)
SMALL = SourceOptions(intrinsics=K, width=32, height=24)


def picture(value, width=W, height=H):
    """An image whose left half has the given grey, so that frames can be told apart."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, :width // 2] = value
    return image


def write_images(folder, names, width=W, height=H):
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), picture(10 + 10 * i, width, height))
    return folder


def greys(frames):
    """The grey in which each frame's picture was painted."""
    return [round(float(f.image[0, :, :8].mean()) * 255) for f in frames]


def small(**changes):
    return SourceOptions(**{"intrinsics": K, "width": 32, "height": 24, **changes})


# -- folders ----------------------------------------------------------------------------------

def test_a_folder_is_read_in_natural_order_at_30_fps(tmp_path):
    write_images(tmp_path, ["im1.png", "im2.png", "im10.png"])
    source = open_source(str(tmp_path), SMALL)
    frames = list(source)
    assert source.length == 3 and not source.is_live and source.fps == 30
    assert greys(frames) == [10, 20, 30]
    assert [f.index for f in frames] == [0, 1, 2]
    assert [f.timestamp for f in frames] == pytest.approx([0, 1 / 30, 2 / 30])
    assert frames[0].image.shape == (3, 24, 32) and frames[0].image.dtype == torch.float32
    assert frames[0].truth is None


def test_fps_stride_and_max_frames(tmp_path):
    write_images(tmp_path, [f"{i}.png" for i in range(8)])
    frames = list(open_source(str(tmp_path), small(fps=10, stride=2, max_frames=3)))
    assert [f.index for f in frames] == [0, 2, 4]
    assert [f.timestamp for f in frames] == pytest.approx([0, 0.2, 0.4])


def test_colours_are_red_green_blue(tmp_path):
    bgr = np.zeros((H, W, 3), np.uint8)
    bgr[..., 2] = 255
    cv2.imwrite(str(tmp_path / "red.png"), bgr)
    frame = next(iter(open_source(str(tmp_path), SMALL)))
    assert frame.image.mean((1, 2)).tolist() == [1, 0, 0]


def test_a_source_can_be_read_again(tmp_path):
    write_images(tmp_path, ["a.png", "b.png"])
    (tmp_path / "c.png").write_bytes(b"not an image")
    source = open_source(str(tmp_path), SMALL)
    assert greys(source) == greys(source) == [10, 20]
    assert source.unreadable == 1


def test_an_unreadable_image_in_the_middle_is_skipped_and_counted(tmp_path, caplog):
    write_images(tmp_path, ["0.png", "1.png", "2.png", "3.png"])
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:20])
    source = open_source(str(tmp_path), SMALL)
    frames = list(source)
    assert [f.index for f in frames] == [0, 2, 3]
    assert frames[1].timestamp == pytest.approx(2 / 30)
    assert source.unreadable == 1
    assert "1.png" in caplog.text


def test_an_image_of_another_size_is_skipped_and_counted(tmp_path, caplog):
    write_images(tmp_path, ["0.png", "2.png"])
    write_images(tmp_path, ["1.png"], width=80)
    source = open_source(str(tmp_path), SMALL)
    assert [f.index for f in source] == [0, 2]
    assert source.unreadable == 1
    assert "80x48" in caplog.text and "64x48" in caplog.text


def test_an_unreadable_first_image_does_not_stop_the_rest(tmp_path):
    write_images(tmp_path, ["1.png", "2.png"])
    (tmp_path / "0.png").write_bytes(b"")
    source = open_source(str(tmp_path), SMALL)
    assert [f.index for f in source] == [1, 2]
    assert source.unreadable == 1


def test_nothing_readable_nothing_there_and_nothing_known(tmp_path):
    with pytest.raises(SourceError, match="no images"):
        open_source(str(tmp_path), SMALL)
    with pytest.raises(SourceError, match="no such file"):
        open_source(str(tmp_path / "absent"), SMALL)
    (tmp_path / "a.png").write_bytes(b"junk")
    with pytest.raises(SourceError, match="none of its 1 images"):
        open_source(str(tmp_path), SMALL)
    with pytest.raises(SourceError, match="single image"):
        open_source(str(tmp_path / "a.png"), SMALL)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(SourceError, match="not a video"):
        open_source(str(tmp_path / "notes.txt"), SMALL)


def test_a_folder_of_folders_says_which_one_to_take(tmp_path):
    write_images(tmp_path / "seq-01", ["0.png"])
    with pytest.raises(SourceError, match="seq-01"):
        open_source(str(tmp_path), SMALL)


@pytest.mark.parametrize("spec", ["rooms:", "rooms:x", "rooms:1:2:3", "rooms:-1", "rooms:1:0"])
def test_a_malformed_room_is_refused(spec):
    with pytest.raises(SourceError, match="rooms"):
        open_source(spec)


def test_a_room_has_its_own_camera():
    with pytest.raises(SourceError, match="leave out intrinsics"):
        open_source("rooms:1:5", SMALL)


def test_a_room_gives_the_frames_asked_for():
    source = open_source("rooms:3:9", SourceOptions(width=32, height=24, max_frames=2))
    frames = list(source)
    assert source.length == len(frames) == 2
    assert frames[0].image.shape == (3, 24, 32)
    assert frames[0].truth.depth.shape == (24, 32)


@pytest.mark.parametrize("changes", [
    {"calib": "file.yaml"}, {"fps": 0}, {"fps": float("nan")}, {"max_frames": 0}, {"stride": 0}])
def test_options_that_no_source_can_follow(changes):
    with pytest.raises(SourceError, match=next(iter(changes)).replace("calib", "calibration")):
        small(**changes)


# -- cameras ----------------------------------------------------------------------------------

def test_without_intrinsics_a_guess_is_announced_with_the_cure(tmp_path, caplog):
    write_images(tmp_path, ["0.png"])
    with caplog.at_level(logging.WARNING):
        frame = next(iter(open_source(str(tmp_path), small(intrinsics=None))))
    assert "--intrinsics" in caplog.text and "60 degrees" in caplog.text
    # 60 degrees over 32 pixels
    assert frame.camera.fx == pytest.approx(16 / np.tan(np.radians(30)))
    assert frame.camera.cx == pytest.approx(15.5)


def test_given_intrinsics_are_not_announced_as_a_guess(tmp_path, caplog):
    write_images(tmp_path, ["0.png"])
    camera = next(iter(open_source(str(tmp_path), SMALL))).camera
    assert (camera.fx, camera.cx, camera.width) == (30, 15.5, 32)
    assert not caplog.text


def test_intrinsics_of_another_image_size_are_refused(tmp_path):
    write_images(tmp_path, ["0.png"])
    with pytest.raises(SourceError, match="principal point.*320"):
        open_source(str(tmp_path), small(intrinsics=(525, 525, 320, 240)))


def test_a_calibration_file_is_used(tmp_path):
    write_images(tmp_path, ["0.png"])
    (tmp_path / "camera.txt").write_text("70 70 31.5 23.5")
    options = small(intrinsics=None, calib=tmp_path / "camera.txt")
    assert next(iter(open_source(str(tmp_path), options))).camera.fx == 35


# -- data sets --------------------------------------------------------------------------------

def seven_scenes(folder, numbers=(3, 4, 10)):
    write_images(folder, [f"frame-{n:06d}.color.png" for n in numbers])
    for n in numbers:
        T = np.eye(4)
        T[0, 3] = n
        np.savetxt(folder / f"frame-{n:06d}.pose.txt", T)
    depth = np.full((H, W), 1500, np.uint16)
    depth[:, :16], depth[:, 48:] = 0, 65535
    cv2.imwrite(str(folder / f"frame-{numbers[0]:06d}.depth.png"), depth)
    return folder


def test_seven_scenes_has_stamps_by_number_poses_and_depth(tmp_path):
    # the depth camera has 58.5 pixels here, and sees its columns 16 to 47
    options = small(intrinsics=(45.0, 45.0, 31.5, 23.5))
    frames = list(open_source(str(seven_scenes(tmp_path)), options))
    assert [f.index for f in frames] == [0, 1, 2]
    assert [f.timestamp for f in frames] == pytest.approx([3 / 30, 4 / 30, 10 / 30])
    assert [f.truth.T_world_cam[0, 3].item() for f in frames] == [3, 4, 10]
    assert frames[0].truth.T_world_cam.dtype == torch.float64
    depth = frames[0].truth.depth
    assert depth.unique().tolist() == [0, 1.5] and depth.dtype == torch.float32
    # in the colour camera 15.5 columns either way become 15.5 * 45 / 58.5 = 11.9
    assert (depth[4:20, 10:22] == 1.5).all() and depth[:, :9].sum() == 0 == depth[:, 23:].sum()
    assert frames[1].truth.depth is None


def test_an_unreadable_depth_leaves_the_frame_its_pose(tmp_path, caplog):
    (seven_scenes(tmp_path) / "frame-000003.depth.png").write_bytes(b"junk")
    source = open_source(str(tmp_path), SMALL)
    frame = next(iter(source))
    assert frame.truth.depth is None and frame.truth.T_world_cam[0, 3] == 3
    assert "frame-000003.depth.png" in caplog.text and source.unreadable == 0


def tum(folder):
    write_images(folder / "rgb", ["a.png", "b.png", "c.png"])
    (folder / "rgb.txt").write_text("# colour\n100.00 rgb/a.png\n100.10 rgb/b.png\n"
                                    "100.20 rgb/c.png\n")
    cv2.imwrite(str(folder / "d.png"), np.full((H, W), 10000, np.uint16))
    (folder / "depth.txt").write_text("100.015 d.png\n100.15 d.png\n")
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, 0, 3] = 1, 2, 3
    write_tum(folder / "groundtruth.txt", Trajectory(np.array([99.99, 100.11, 100.15]), poses))
    return folder


def test_tum_associates_depth_and_pose_in_time(tmp_path):
    source = open_source(str(tum(tmp_path)), SMALL)
    frames = list(source)
    assert [f.timestamp for f in frames] == pytest.approx([100, 100.1, 100.2])
    assert source.fps == pytest.approx(10)
    assert frames[0].truth.depth.unique().tolist() == [2.0]
    assert frames[0].truth.T_world_cam[0, 3] == 1
    assert frames[1].truth.depth is None and frames[1].truth.T_world_cam[0, 3] == 2
    assert frames[2].truth is None


def test_tum_cameras_are_known_by_folder_name(tmp_path, caplog):
    folder = tum(tmp_path / "rgbd_dataset_freiburg3_desk")
    camera = next(iter(open_source(str(folder), small(intrinsics=None)))).camera
    assert camera.fx == pytest.approx(535.4 / 20)
    assert not caplog.text


@pytest.mark.parametrize("text", ["100.0\n", "then rgb/a.png\n", "2 rgb/a.png\n1 rgb/b.png\n"])
def test_a_bad_list_is_named_with_its_line(tmp_path, text):
    (tum(tmp_path) / "rgb.txt").write_text(text)
    with pytest.raises(SourceError, match=r"rgb.txt, line \d"):
        open_source(str(tmp_path), SMALL)


def test_a_listed_image_that_is_absent_is_skipped(tmp_path):
    (tum(tmp_path) / "rgb" / "b.png").unlink()
    source = open_source(str(tmp_path), SMALL)
    assert [f.index for f in source] == [0, 2] and source.unreadable == 1


# -- videos -----------------------------------------------------------------------------------

def video(path, frames=6, fps=20.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (W, H))
    assert writer.isOpened()
    for i in range(frames):
        writer.write(picture(20 + 20 * (i % 10)))
    writer.release()
    return path


def test_a_video_has_its_own_rate(tmp_path):
    source = open_source(str(video(tmp_path / "v.avi")), SMALL)
    frames = list(source)
    assert source.fps == 20 and source.length == len(frames) == 6 and source.unreadable == 0
    assert [f.timestamp for f in frames] == pytest.approx(np.arange(6) / 20)
    assert greys(frames) == pytest.approx([20, 40, 60, 80, 100, 120], abs=3)


def test_a_video_with_stride_limit_and_another_rate(tmp_path):
    path = video(tmp_path / "v.avi")
    source = open_source(str(path), small(stride=2, max_frames=2, fps=10))
    frames = list(source)
    assert source.length == 2
    assert [f.index for f in frames] == [0, 2]
    assert [f.timestamp for f in frames] == pytest.approx([0, 0.2])
    assert greys(frames) == pytest.approx([20, 60], abs=3)


def test_a_truncated_video_gives_what_it_has(tmp_path):
    path = video(tmp_path / "v.avi", frames=40)
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    frames = list(open_source(str(path), SMALL))
    assert 5 < len(frames) < 40


def test_a_video_without_frames_is_refused(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"\x00" * 500)
    with pytest.raises(SourceError, match="v.mp4"):
        open_source(str(tmp_path / "v.mp4"), SMALL)


# -- reading ahead ----------------------------------------------------------------------------

def test_prefetch_keeps_order_and_stays_bounded():
    made = []

    def numbers():
        for i in range(50):
            made.append(i)
            yield i

    ahead_of_consumer = [len(made) - i - 1 for i in prefetch(numbers())]
    assert made == list(range(50))
    assert max(ahead_of_consumer) <= AHEAD


def test_prefetch_raises_the_error_where_it_happened():
    def fails():
        yield 1
        raise SourceError("broken")

    items = prefetch(fails())
    assert next(items) == 1
    with pytest.raises(SourceError, match="broken"):
        next(items)


def test_leaving_the_loop_ends_the_thread_and_the_generator():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    items = prefetch(endless())
    next(items)
    items.close()
    assert closed.is_set() and threading.active_count() == before


def test_close_ends_an_iteration(tmp_path):
    write_images(tmp_path, [f"{i}.png" for i in range(20)])
    source = open_source(str(tmp_path), SMALL)
    frames = iter(source)
    next(frames)
    source.close()
    assert len(list(frames)) <= AHEAD + 1


# -- webcam -----------------------------------------------------------------------------------

class FakeCapture:
    """A camera that gives ``images`` pictures as fast as asked, then fails."""

    def __init__(self, images, pause=0.0):
        self.left, self.pause, self.released = images, pause, False

    def isOpened(self):
        return True

    def get(self, prop):
        return 0.0

    def read(self):
        time.sleep(self.pause)
        if self.left <= 0:
            return False, None
        self.left -= 1
        return True, picture(100)

    def release(self):
        self.released = True


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("scenecode.slam.sources.cameras.webcam._PAUSE", 0.0)


def test_a_slow_consumer_gets_the_newest_image():
    capture = FakeCapture(10_000, pause=0.002)
    camera = Webcam(0, SMALL, lambda index: capture)
    frames = iter(camera)
    first = next(frames)
    while capture.left > 10_000 - 50:
        time.sleep(0.001)
    second, third = next(frames), next(frames)
    camera.close()
    assert second.index > first.index + 20 and third.timestamp > second.timestamp
    assert camera.is_live and camera.length is None and capture.released


def test_an_unplugged_camera_ends_the_iteration_with_a_warning(impatient, caplog):
    capture = FakeCapture(5)
    camera = Webcam(0, SMALL, lambda index: capture)
    frames = list(camera)
    assert 1 <= len(frames) <= 4
    assert "unplugged" in caplog.text and camera.unreadable == MAX_FAILED_READS
    camera.close()
    assert capture.released


def test_a_camera_that_gives_nothing_is_refused():
    with pytest.raises(SourceError, match="webcam 3"):
        Webcam(3, SMALL, lambda index: FakeCapture(0))


def test_a_number_is_a_webcam_unless_it_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="webcam 99"):
        open_source("99", SMALL)
    write_images(tmp_path / "99", ["0.png"])
    assert open_source("99", SMALL).length == 1


def test_a_webcam_stops_after_max_frames():
    camera = Webcam(0, small(max_frames=3), lambda index: FakeCapture(1000, pause=0.001))
    assert len(list(camera)) == 3
    camera.close()
