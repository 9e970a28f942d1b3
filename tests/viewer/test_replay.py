"""A result folder, written as a run writes it, opened again."""

import argparse
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from support.box_room import room_snapshot
from support.page_client import PageClient

from scenecode.core.errors import ResultError
from scenecode.networks.classes import NYU13
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.output.saved_map import open_saved
from scenecode.slam.records.trajectory import Trajectory
from scenecode.viewer.inspection.annotations import annotations_path
from scenecode.viewer.replay import add_arguments, open_viewer, polygon_triangles

ROOT = Path(__file__).parents[2]
#: Seconds for a fresh interpreter to import and serve, on a busy machine.
PATIENCE = 60


@pytest.fixture(scope="module")
def room():
    return room_snapshot(keyframes=3, width=64)


@pytest.fixture(scope="module")
def result(room, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("result")
    folder = ResultFolder.create(path, NYU13, "source: box room\n")
    poses = Trajectory(np.arange(len(room.trajectory)) / 30, room.trajectory)
    folder.write_map(room)
    folder.write_trajectories(poses, poses)
    return path


def test_a_result_folder_is_shown_whole(result, room):
    viewer = open_viewer(open_saved(result), "127.0.0.1", 0)
    page = PageClient(viewer.link)
    try:
        received = page.until_complete(1)
        assert sum(m["total"] for kind, m, _ in received if kind == "points") == len(room.cloud)
        keyframes = next(m for kind, m, _ in received if kind == "keyframes")
        assert keyframes["frame_index"] == [view.frame_index for view in room.keyframes]
        path = next(m for kind, m, _ in received if kind == "path")["poses"].reshape(-1, 3, 4)
        assert np.allclose(path, room.trajectory[:, :3], atol=1e-5)
    finally:
        page.close()
        viewer.close()


def test_polygons_are_shown_in_place_of_points(result, room):
    viewer = open_viewer(open_saved(result), "127.0.0.1", 0, polygons=True)
    page = PageClient(viewer.link)
    try:
        received = page.until_complete(1)
        assert next(m for kind, m, _ in received if kind == "hello")["has_polygons"]
        page.send("surface")
        page.until("surface_complete")
        sent = sum(m["triangles"].size for kind, m, _ in page.messages if kind == "mesh")
        assert sent == polygon_triangles(room).triangles.size > 0
    finally:
        page.close()
        viewer.close()


def test_measures_are_saved_in_the_folder(result):
    viewer = open_viewer(open_saved(result), "127.0.0.1", 0)
    page = PageClient(viewer.link)
    page.ask("save_measure", kind="height", points=[[0, 0, 1.5]])
    page.close()
    viewer.close()
    assert annotations_path(result).is_file()
    again = open_viewer(open_saved(result), "127.0.0.1", 0)
    page = PageClient(again.link)
    assert page.until("annotations")["measures"][0]["value"] == 1.5
    page.close()
    again.close()


def test_a_folder_that_is_no_result_is_an_error(tmp_path):
    with pytest.raises(ResultError, match=re.escape(str(tmp_path))):
        open_saved(tmp_path)


def test_only_this_machine_may_look_unless_given_otherwise():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert parser.parse_args(["DIR"]).host == "127.0.0.1"
    given = parser.parse_args(["DIR", "--host", "0.0.0.0", "--port", "9000"])
    assert (given.host, given.port) == ("0.0.0.0", 9000)


@pytest.mark.slow
def test_prints_where_to_look_serves_and_ends_well_at_ctrl_c(result):
    code = ("import argparse, sys\nfrom scenecode.viewer import replay\n"
            "parser = argparse.ArgumentParser()\nreplay.add_arguments(parser)\n"
            "sys.exit(replay.main(parser.parse_args()))")
    command = [sys.executable, "-c", code, str(result), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stdout if str(result) in line)
            url = re.search(r"http://127\.0\.0\.1:\d+", line).group()
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            assert b"<html" in direct.open(url, timeout=PATIENCE).read().lower()
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
