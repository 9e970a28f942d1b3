"""Images of a moving camera whose shutter exposes one row after the other, as if all had been
exposed at the time of the middle one."""

import cv2
import numpy as np
import torch

from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe_geometry import GRID_HEIGHT, GRID_WIDTH


def exposed_at_once(image: np.ndarray, graph: KeyframeGraph, number: int) -> np.ndarray:
    """An image (H, W) of a keyframe, at any pyramid level, by its motion, its coarse depth and the
    time of its shutter; the image itself where these are not known."""
    keyframe = graph.keyframes[number]
    motion, shutter = keyframe.motion, graph.shutters.get(keyframe.camera)
    if motion is None or shutter is None:
        return image
    height, width = image.shape
    camera = keyframe.camera.resized(width, height)
    x = graph.geometry(number).grid.double().cpu()
    velocity = -(motion[:3] + torch.linalg.cross(motion[3:].expand_as(x), x))
    flow = (velocity[:, :2] - velocity[:, 2:] * x[:, :2] / x[:, 2:]) / x[:, 2:]
    flow = flow * torch.tensor([camera.fx, camera.fy], dtype=torch.float64)
    per_second = cv2.resize(flow.view(GRID_HEIGHT, GRID_WIDTH, 2).float().numpy(),
                            (width, height), interpolation=cv2.INTER_LINEAR)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32),
                                np.arange(height, dtype=np.float32))
    across, down = shutter
    seconds = across * ((columns + 0.5) / width - 0.5) + down * ((rows + 0.5) / height - 0.5)
    columns, rows = (start + seconds * speed for start, speed in (
        (columns, per_second[..., 0]), (rows, per_second[..., 1])))
    return cv2.remap(image, columns.astype(np.float32), rows.astype(np.float32),
                     cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
