"""The floor plan shows the room from above; its files place it where the map has it."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml
from support.box_room import FURNITURE, ROOM
from support.saved_maps import room_map

from scenecode.core.errors import ConfigError
from scenecode.slam.exports import floor_plan
from scenecode.slam.exports.export import export
from scenecode.slam.exports.floor_plan import FREE, OCCUPIED, UNKNOWN
from scenecode.slam.exports.options import ExportOptions
from scenecode.slam.records.snapshot import FusedCloud, PointCloud


class Plan:
    """An exported floor plan, as the readers of its files find places in it."""

    def __init__(self, folder):
        self.picture = cv2.imread(str(folder / "floorplan.png"))[..., ::-1]
        self.cells = cv2.imread(str(folder / "occupancy.png"), cv2.IMREAD_UNCHANGED)
        self.world_file = [float(line) for line in (folder / "occupancy.pgw").open()]
        self.ros = yaml.safe_load((folder / "occupancy.yaml").read_text())
        self.T_ground_world = np.array(json.loads((folder / "ground.json").read_text())
                                       ["T_ground_world"])
        assert self.picture.shape[:2] == self.cells.shape

    def by_world_file(self, x):
        """Row and column of a point of the map's world, as a GIS finds it."""
        ground = self.T_ground_world @ [*x, 1]
        a, d, b, e, c, f = self.world_file
        return round((ground[1] - f) / e), round((ground[0] - c) / a)

    def by_ros(self, x):
        """The same as map_server has it: the origin is the lower left corner of the last row."""
        ground = self.T_ground_world @ [*x, 1]
        r, (left, low, yaw) = self.ros["resolution"], self.ros["origin"]
        assert yaw == 0
        return (len(self.cells) - 1 - int((ground[1] - low) / r), int((ground[0] - left) / r))


def with_floor(saved):
    """The map with points of the floor in the middle of the room, which its level cameras do not
    see."""
    x, z = np.meshgrid(np.linspace(-0.5, 0.5, 20), np.linspace(-1.5, 0.2, 30))
    points = np.stack([x.ravel(), np.full(x.size, ROOM[1][1]), z.ravel()], 1).astype(np.float32)
    floor = PointCloud(points=points, colours=np.zeros((len(points), 3), np.uint8),
                       labels=np.full(len(points), saved.classes.names.index("floor"), np.uint8),
                       confidence=np.ones(len(points), np.float32))
    return replace(saved, cloud=FusedCloud({**saved.cloud.chunks, -1: floor}))


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    out = tmp_path_factory.mktemp("plan") / "out"
    export(with_floor(room_map(keyframes=16, width=256)), "floorplan", out)
    return Plan(out)


def test_both_readers_find_one_cell(plan):
    for x in ((0, 1, 0), (1.3, 0, 1.1), (-2, 0.7, 1)):
        row, column = plan.by_world_file(x)
        ros_row, ros_column = plan.by_ros(x)
        assert abs(row - ros_row) <= 1 and abs(column - ros_column) <= 1


def test_walls_and_furniture_are_obstacles_and_the_room_is_free(plan):
    (low_x, _, low_z), (high_x, _, high_z) = ROOM
    walls = [(low_x, 0, -0.5), (high_x, 0, 0.5), (0.2, 0, high_z)]
    for x in walls:
        row, column = plan.by_ros(x)
        assert (plan.cells[row - 1:row + 2, column - 1:column + 2] == OCCUPIED).any(), x
    saved = room_map(keyframes=16, width=256)
    cloud, names = saved.cloud, saved.classes.names
    for name in ("bed", "table", "furniture"):
        places = map(plan.by_ros, cloud.points[cloud.labels == names.index(name)].tolist())
        assert np.mean([plan.cells[place] == OCCUPIED for place in places]) > 0.9, name
    for view in saved.keyframes:
        ahead = view.T_world_cam @ [0, 0, 0.3, 1]
        assert plan.cells[plan.by_ros(ahead[:3])] == FREE
    assert plan.cells[0, 0] == UNKNOWN
    # map_server's thresholds, of 1 - value / 255
    share = 1 - np.array([OCCUPIED, FREE, UNKNOWN]) / 255
    assert share[0] > plan.ros["occupied_thresh"] and share[1] < plan.ros["free_thresh"]
    assert plan.ros["free_thresh"] <= share[2] < plan.ros["occupied_thresh"]
    assert plan.ros["negate"] == 0


def test_x_is_right_and_y_is_ahead_of_the_first_camera(plan):
    row, column = plan.by_ros((0, 0, 0))
    right, ahead = plan.by_ros((1, 0, 0)), plan.by_ros((0, 0, 1))
    assert right[1] - column == pytest.approx(20, abs=1) and abs(right[0] - row) <= 1
    assert row - ahead[0] == pytest.approx(20, abs=1) and abs(ahead[1] - column) <= 1
    # the floor is 1.2 m under the first camera
    assert (plan.T_ground_world @ [0, 1.2, 0, 1]) == pytest.approx([0, 0, 0, 1], abs=0.03)


def test_the_picture_shows_classes(plan):
    names = room_map(1).classes.names
    colours = np.array(room_map(1).classes.colours)
    bed, table = (np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
                  for low, high, _ in FURNITURE[:2])
    for x, name in ((bed, "bed"), (table, "table")):
        row, column = plan.by_ros(x)
        near = plan.picture[row - 4:row + 5, column - 4:column + 5].reshape(-1, 3)
        assert (near == colours[names.index(name)]).all(1).mean() > 0.2


def test_one_keyframe_without_points_has_a_plan(tmp_path):
    saved = room_map(keyframes=1)
    export(replace(saved, cloud=FusedCloud()), "floorplan", tmp_path / "out")
    assert (Plan(tmp_path / "out").cells == FREE).any()


def test_cells_that_are_too_small_are_refused_with_a_size_that_works(tmp_path, monkeypatch):
    monkeypatch.setattr(floor_plan, "LARGEST", 100)
    with pytest.raises(ConfigError, match="give --resolution 0.0") as error:
        export(room_map(1), "floorplan", tmp_path / "out", ExportOptions(resolution=0.001))
    resolution = float(str(error.value).split("--resolution ")[1].split()[0])
    export(room_map(1), "floorplan", tmp_path / "out", ExportOptions(resolution=resolution))
