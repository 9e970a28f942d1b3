"""All views of a set of SceneNet RGB-D as labelled images."""

from pathlib import Path

import numpy as np

from scenecode.core.errors import DataError
from scenecode.networks.classes import NYU13
from scenecode.networks.data.scenenet.protobuf import read_trajectories
from scenecode.networks.data.scenenet.trajectories import (
    trajectory_files,
    trajectory_from_message,
)
from scenecode.networks.sample import Sample


class SceneNet:
    """One split of SceneNet RGB-D as published: ``root/val/0/223/photo/...`` with
    ``scenenet_rgbd_val.pb`` in ``root`` or in a folder of it.

    Trajectories that are listed but not on disk are left out.  Raises ``DataError`` when no
    trajectory of the split is found.
    """

    classes = NYU13

    def __init__(self, root: str | Path, split: str = "val",
                 width: int = 256, height: int = 192):
        self.width, self.height = width, height
        images = Path(root) / split
        files = trajectory_files(images) if images.is_dir() else []
        self.trajectories = [trajectory_from_message(message, images)
                             for file in files for message in read_trajectories(file)
                             if (images / message.render_path).is_dir()]
        if not self.trajectories:
            raise DataError(f"{images}: no SceneNet RGB-D trajectory of this split; expected "
                            f"folders such as {split}/0/223 and the file "
                            f"scenenet_rgbd_{split}.pb in {root}")
        self._ends = np.cumsum([len(t) for t in self.trajectories])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)}")
        k = int(np.searchsorted(self._ends, index, side="right"))
        trajectory = self.trajectories[k]
        return trajectory.sample(index - int(self._ends[k]) + len(trajectory),
                                 self.width, self.height)
