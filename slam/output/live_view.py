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

#: A pixel that no point falls on is a gap in a surface where so many of its 8 neighbours have one;
#: and how many times gaps are filled.
GAP_NEIGHBOURS, GAP_ROUNDS = 4, 4


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
    """A keyframe's depth and labels as another camera (T_cam_key (4, 4)) sees them, the gaps
    between neighbouring points of a surface closed.

    Returns depth (H, W) float32 metres, 0 where no point falls, and labels (H, W) uint8, VOID
    there.
    """
    depth = torch.from_numpy(view.depth).reshape(-1)
    points, _ = view.camera.backproject(view.camera.pixel_grid(), depth)
    x = se3.act(torch.from_numpy(T_cam_key).float(), points)
    pixels, _ = camera.project(x)
    z = np.append(x[:, 2].numpy(), np.float32(np.inf))
    index = nearest_points(pixels, x[:, 2], camera.width, camera.height).numpy()
    for _ in range(GAP_ROUNDS):
        index = _closed(index, z)
    # -1, where no point falls, is the value appended
    depth = np.where(index < 0, np.float32(0), z[index])
    return depth, np.append(view.labels.reshape(-1), np.uint8(VOID))[index]


def _closed(index: np.ndarray, z: np.ndarray) -> np.ndarray:
    """With every gap, of index -1, that is surrounded by points filled by the nearest of them.

    What was hidden behind an object is wider than that and stays open.
    """
    padded = np.pad(index, 1, constant_values=-1)
    height, width = index.shape
    around = np.stack([padded[1 + dv : 1 + dv + height, 1 + du : 1 + du + width]
                       for dv in (-1, 0, 1) for du in (-1, 0, 1) if (dv, du) != (0, 0)])
    gaps = (index < 0) & ((around >= 0).sum(0) >= GAP_NEIGHBOURS)
    nearest = z[around].argmin(0)
    filled = np.take_along_axis(around, nearest[None], 0)[0]
    return np.where(gaps, filled, index)
