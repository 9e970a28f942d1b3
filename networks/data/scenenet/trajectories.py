"""SceneNet RGB-D (McCormac et al. 2017): rendered rooms in its published layout.

A ``.pb`` file lists trajectories; each has a folder ``<images>/<render_path>`` with
``photo/N.jpg``, ``depth/N.png`` (16-bit millimetres along the ray, 0 for none) and
``instance/N.png`` (16-bit object numbers), N = 0, 25, 50 ... at 25 frames a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, tan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from scenecode.core.errors import DataError
from scenecode.core.images import (
    image_tensor,
    read_map,
    read_rgb,
    require_size,
    resample_area,
    resample_nearest,
)
from scenecode.networks.classes import VOID
from scenecode.networks.data.scenenet.classes import NYU13_OF_WORDNET
from scenecode.networks.data.scenenet.protobuf import BACKGROUND, read_trajectories
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

if TYPE_CHECKING:
    from google.protobuf.message import Message

FULL_WIDTH, FULL_HEIGHT = 320, 240
#: Field of view 60 x 45 degrees between the outer edges of the image: pixel column u spans
#: u - 0.5 .. u + 0.5, the edges are at -0.5 and 319.5, and the centre is (159.5, 119.5).
FULL_CAMERA = PinholeCamera(
    fx=FULL_WIDTH / 2 / tan(radians(60 / 2)), fy=FULL_HEIGHT / 2 / tan(radians(45 / 2)),
    cx=(FULL_WIDTH - 1) / 2, cy=(FULL_HEIGHT - 1) / 2, width=FULL_WIDTH, height=FULL_HEIGHT)
#: Photographs are numbered by the frames of the simulated camera.
FRAMES_PER_SECOND = 25
MILLIMETRES = 1000
#: The world's upward direction, which no camera may look along exactly.
UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class SceneNetTrajectory:
    """The views of one walk through one room, in order."""

    #: holds photo, depth and instance
    folder: Path
    #: (V,) the N of each view
    numbers: tuple[int, ...]
    #: (V, 4, 4) float64 T_world_cam at the middle of the exposure
    poses: np.ndarray
    #: object number -> class id, VOID for none; the last entry stands for all beyond
    class_of_instance: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def timestamp(self, index: int) -> float:
        """Seconds since the walk began."""
        return self.numbers[index] / FRAMES_PER_SECOND

    def photo(self, index: int) -> Path:
        """The colour image of view ``index``."""
        return self.folder / "photo" / f"{self.numbers[index]}.jpg"

    def depth(self, index: int) -> np.ndarray:
        """(240, 320) float32 z in metres, 0 where the ray met nothing."""
        path = self.folder / "depth" / f"{self.numbers[index]}.png"
        values = require_size(read_map(path), FULL_WIDTH, FULL_HEIGHT, path)
        if values.dtype != np.uint16:
            raise DataError(f"{path}: depth must be a 16-bit PNG in millimetres, "
                            f"is {values.dtype}")
        return z_from_ray_length(values / MILLIMETRES)

    def labels(self, index: int) -> np.ndarray:
        """(240, 320) uint8 class ids of ``NYU13``, VOID outside every object."""
        path = self.folder / "instance" / f"{self.numbers[index]}.png"
        instances = require_size(read_map(path), FULL_WIDTH, FULL_HEIGHT, path)
        return self.class_of_instance[np.minimum(instances, len(self.class_of_instance) - 1)]

    def sample(self, index: int, width: int, height: int) -> Sample:
        """View ``index`` at a size; ``DataError`` when a file is missing or malformed."""
        path = self.photo(index)
        image = require_size(read_rgb(path), FULL_WIDTH, FULL_HEIGHT, path)
        box = (0, 0, FULL_WIDTH, FULL_HEIGHT)
        depth = resample_nearest(self.depth(index), box, width, height)
        labels = resample_nearest(self.labels(index), box, width, height)
        return Sample(
            image=image_tensor(resample_area(image, box, width, height)),
            depth=torch.from_numpy(depth), labels=torch.from_numpy(labels),
            camera=FULL_CAMERA.resized(width, height), name=str(path))


def find_trajectory(folder: str | Path) -> SceneNetTrajectory:
    """The trajectory rendered into ``folder``, such as ``data/val/0/223``.

    Its ``.pb`` file is looked for in ``data`` and the folders directly inside it, by the
    name of the set: ``*val*.pb``.  Raises ``DataError`` when none lists the folder.
    """
    folder = Path(folder).resolve()
    if not (folder / "photo").is_dir():
        raise DataError(f"{folder}: no SceneNet RGB-D trajectory here; expected the folders "
                        "photo, depth and instance")
    images = folder.parent.parent
    render_path = folder.relative_to(images).as_posix()
    files = trajectory_files(images)
    for file in files:
        for message in read_trajectories(file):
            if message.render_path == render_path:
                return trajectory_from_message(message, images)
    searched = ", ".join(map(str, files)) or "no such file"
    raise DataError(f"{folder}: no *{images.name}*.pb in {images.parent} lists {render_path} "
                    f"(found {searched}); put the trajectory file there")


def trajectory_files(images: Path) -> list[Path]:
    """The ``.pb`` files of a set such as ``data/val``: in ``data`` and the folders directly
    inside it, with the name of the set in their own."""
    pattern = f"*{images.name}*.pb"
    return sorted([*images.parent.glob(pattern), *images.parent.glob(f"*/{pattern}")])


def trajectory_from_message(message: Message, images: Path) -> SceneNetTrajectory:
    """A ``Trajectory`` message with its poses and classes worked out."""
    folder = images / message.render_path
    if not message.views:
        raise DataError(f"{folder}: its trajectory lists no views")
    return SceneNetTrajectory(
        folder=folder, numbers=tuple(view.frame_num for view in message.views),
        poses=np.stack([_pose(view, folder) for view in message.views]),
        class_of_instance=_class_of_instance(message, folder))


def z_from_ray_length(length: np.ndarray) -> np.ndarray:
    """(240, 320) distances along the rays of ``FULL_CAMERA`` to z, float32, same unit."""
    rays = FULL_CAMERA.rays(FULL_CAMERA.pixel_grid(dtype=torch.float64)).numpy()
    norm = np.linalg.norm(rays, axis=-1).reshape(FULL_HEIGHT, FULL_WIDTH)
    return (length / norm).astype(np.float32)


def look_at(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(4, 4) T_world_cam at a position, looking at a target with the world's y upwards.

    Camera axes are x right, y down, z forward.  Raises ``DataError`` when they are
    undefined: target at the position, or straight above or below it.
    """
    forward = target - position
    right = np.cross(forward, UP)
    if np.linalg.norm(right) < 1e-9 * max(1.0, float(np.linalg.norm(forward))):
        raise DataError(f"a camera at {position} cannot look at {target} with y upwards")
    forward = forward / np.linalg.norm(forward)
    right = right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(forward, right), forward, position], axis=1)
    return pose


def _pose(view: Message, folder: Path) -> np.ndarray:
    # the photograph is exposed from one pose to the other, evenly
    middle = {name: 0.5 * (_vector(getattr(view.shutter_open, name))
                           + _vector(getattr(view.shutter_close, name)))
              for name in ("camera", "lookat")}
    try:
        return look_at(middle["camera"], middle["lookat"])
    except DataError as error:
        raise DataError(f"{folder}, view {view.frame_num}: {error}") from error


def _vector(position: Message) -> np.ndarray:
    return np.array([position.x, position.y, position.z], np.float64)


def _class_of_instance(message: Message, folder: Path) -> np.ndarray:
    size = 2 + max((i.instance_id for i in message.instances), default=0)
    classes = np.full(size, VOID, np.uint8)
    for instance in message.instances:
        if instance.instance_type == BACKGROUND:
            continue
        wordnet_id = instance.semantic_wordnet_id
        if wordnet_id not in NYU13_OF_WORDNET:
            raise DataError(f"{folder}: object {instance.instance_id} "
                            f"({instance.semantic_english or 'unnamed'}) has WordNet id "
                            f"{wordnet_id!r}, which SceneNet's published classes do not list")
        classes[instance.instance_id] = NYU13_OF_WORDNET[wordnet_id]
    return classes

