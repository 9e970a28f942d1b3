"""Pictures and videos of a map, without a browser."""

import argparse
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.box_room import room_snapshot

from scenecode.core.errors import ConfigError, ResultError
from scenecode.networks.classes import NYU13
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.records.snapshot import FusedCloud
from scenecode.slam.records.trajectory import Trajectory
from scenecode.viewer import replay
from scenecode.viewer.offscreen.eye import eye_at
from scenecode.viewer.offscreen.pictures import MapPictures, write_video
from scenecode.viewer.offscreen.splatting import draw

WALL = np.array(NYU13.colours[NYU13.names.index("wall")])


@pytest.fixture(scope="module")
def room():
    return room_snapshot(keyframes=6, width=64, step=1)


def share(picture, colour) -> float:
    return float((np.abs(picture.astype(int) - colour).max(-1) < 20).mean())


def test_the_nearer_point_is_drawn_and_what_is_behind_is_not():
    eye = eye_at("fit", np.full(3, -1.0), np.full(3, 1.0), 0.0, 1.0)
    ahead = eye.rotation[2]
    points = eye.position + np.array([[2.0], [3.0], [-1.0]]) * ahead
    colours = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)
    picture = draw(points[::-1], colours[::-1], 0.02, eye, 65, 65, (0, 0, 0))
    assert picture[32, 32].tolist() == [200, 0, 0]
    assert not picture[..., 1:].any()


@pytest.mark.parametrize("view", ["fit", "bird", "top"])
def test_every_view_sees_the_whole_box(view):
    low, high = np.array([-3.0, -2, 0]), np.array([4.0, 2, 2.5])
    for turn in (0.0, 1.0, 2.5):
        eye = eye_at(view, low, high, turn, 16 / 9)
        corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1])
                            for z in (low[2], high[2])])
        seen = eye.seen(corners)
        tangent = np.abs(seen[:, :2]) / seen[:, 2:]
        assert (seen[:, 2] > 0).all()
        filled = (tangent / (0.4663 * 16 / 9, 0.4663)).max()
        assert 0.8 < filled < 1.13


def test_a_picture_shows_the_room_by_class_and_a_low_ceiling_cuts_it(room):
    whole = MapPictures(room, "class", "black").picture("bird", 160, 90)
    assert whole.shape == (90, 160, 3) and share(whole, WALL) > 0.05
    cut = MapPictures(room, "class", "black", ceiling=0.3).picture("bird", 160, 90)
    assert share(cut, WALL) < 0.5 * share(whole, WALL)


def test_unknown_choices_and_empty_maps_are_errors(room):
    with pytest.raises(ConfigError, match="image, class"):
        MapPictures(room, "sepia")
    with pytest.raises(ConfigError, match="no points"):
        MapPictures(replace(room, cloud=FusedCloud()))
    with pytest.raises(ConfigError, match="bird"):
        MapPictures(room).picture("below", 64, 64)


def test_a_video_is_a_turn_that_players_read(room, tmp_path):
    path = tmp_path / "turn.mp4"
    write_video(path, MapPictures(room), "fit", 96, 64, 0.4)
    video = cv2.VideoCapture(str(path))
    frames = [video.read() for _ in range(13)]
    assert [ok for ok, _ in frames] == [True] * 12 + [False]
    assert np.abs(frames[0][1].astype(int) - frames[6][1]).mean() > 2
    assert [p.name for p in tmp_path.iterdir()] == ["turn.mp4"]
    with pytest.raises(ResultError):
        write_video(tmp_path / "no" / "turn.mp4", MapPictures(room), "fit", 96, 64, 0.1)


def test_the_command_writes_pictures_and_serves_nothing(room, tmp_path, capsys):
    folder = ResultFolder.create(tmp_path / "result", NYU13, "source: box room\n")
    poses = Trajectory(np.arange(len(room.trajectory)) / 30, room.trajectory)
    folder.write_map(room)
    folder.write_trajectories(poses, poses)
    folder.close()
    parser = argparse.ArgumentParser()
    replay.add_arguments(parser)
    picture, video = tmp_path / "a.png", tmp_path / "b.mp4"
    assert replay.main(parser.parse_args([
        str(tmp_path / "result"), "--screenshot", str(picture), "--video", str(video), "--size",
        "97x64", "--seconds", "0.1", "--colour", "class", "--from", "top"])) == 0
    assert cv2.imread(str(picture)).shape == (64, 96, 3) and video.stat().st_size > 500
    assert "http" not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        parser.parse_args(["x", "--size", "big"])
