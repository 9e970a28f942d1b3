"""SceneNet RGB-D trajectories: the folder with ``photo``, ``depth`` and ``instance``.

Only every 25th frame of the simulated camera was rendered, so neighbouring views are a
second and up to a metre apart: far more than in a video.
"""

from pathlib import Path

import numpy as np

from scenecode.networks.classes import NYU13
from scenecode.networks.data.scenenet.trajectories import FULL_CAMERA, find_trajectory
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.sources.base.image_sequence import ImageItem, ImageSequence
from scenecode.slam.sources.base.options import SourceOptions
from scenecode.slam.sources.base.rectifier import RawTruth

#: Rendered views per second of simulated time.
VIEWS_PER_SECOND = 1.0


def open_scenenet(folder: Path, options: SourceOptions) -> ImageSequence:
    """A trajectory with poses, depth and labels as truth, and the data set's own camera.

    Stamped in simulated seconds, unless ``options.fps`` says otherwise.  Raises
    ``DataError`` when no trajectory file next to the data lists the folder.
    """
    trajectory = find_trajectory(folder)

    def read_truth(item: ImageItem, _: PinholeCamera) -> RawTruth:
        return RawTruth(T_world_cam=item.T_world_cam, depth=trajectory.depth(item.index),
                        labels=trajectory.labels(item.index), classes=NYU13)

    items = [ImageItem(index=i,
                       timestamp=i / options.fps if options.fps else trajectory.timestamp(i),
                       image=trajectory.photo(i), T_world_cam=trajectory.poses[i])
             for i in range(len(trajectory))]
    return ImageSequence(str(folder), items, options.fps or VIEWS_PER_SECOND, options,
                         known=lambda width, height: FULL_CAMERA, read_truth=read_truth)


def read_rendered_poses(folder: Path) -> Trajectory:
    """The poses of the rendered views in simulated seconds."""
    trajectory = find_trajectory(folder)
    stamps = [trajectory.timestamp(i) for i in range(len(trajectory))]
    return Trajectory(np.array(stamps), np.array(trajectory.poses).reshape(-1, 4, 4))
