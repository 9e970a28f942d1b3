"""The current frame with the depth and labels of the map."""

import numpy as np
import torch

from scenecode.core.images import image_to_uint8
from scenecode.networks.classes import VOID
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.visibility import nearest_points
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.snapshot import KeyframeView, LiveView
from scenecode.slam.tracking.tracker import TrackedFrame


def live_view(frame: Frame, tracked: TrackedFrame, reference: KeyframeView | None) -> LiveView:
    """A frame with the depth and labels of its reference keyframe; without one, depth 0 and
    labels VOID."""
    T_world_cam = tracked.T_world_cam.double().cpu().numpy()
    if reference is None:
        shape = (frame.camera.height, frame.camera.width)
        depth, labels = np.zeros(shape, np.float32), np.full(shape, VOID, np.uint8)
    else:
        T_cam_key = np.linalg.inv(T_world_cam) @ reference.T_world_cam
        depth, labels = reproject(reference, T_cam_key, frame.camera)
    return LiveView(frame_index=frame.index, timestamp=frame.timestamp, T_world_cam=T_world_cam,
                    camera=frame.camera, image=image_to_uint8(frame.image), depth=depth,
                    labels=labels, lost=tracked.lost)


def reproject(view: KeyframeView, T_cam_key: np.ndarray,
              camera: PinholeCamera) -> tuple[np.ndarray, np.ndarray]:
    """A keyframe's depth and labels as another camera (T_cam_key (4, 4)) sees them.

    Returns depth (H, W) float32 metres, 0 where no point falls, and labels (H, W) uint8, VOID
    there.
    """
    depth = torch.from_numpy(view.depth).reshape(-1)
    points, _ = view.camera.backproject(view.camera.pixel_grid(), depth)
    x = se3.act(torch.from_numpy(T_cam_key).float(), points)
    pixels, _ = camera.project(x)
    index = nearest_points(pixels, x[:, 2], camera.width, camera.height).numpy()
    # -1, where no point falls, is the value appended
    return (np.append(x[:, 2].numpy(), np.float32(0))[index],
            np.append(view.labels.reshape(-1), np.uint8(VOID))[index])
