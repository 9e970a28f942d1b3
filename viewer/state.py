"""What pages are to show at one moment."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from scenecode.slam.records.snapshot import LiveView
from scenecode.viewer.shown_map import ShownMap
from scenecode.viewer.transport.wire import binary_message

#: Millimetres are the steps of live depth; JPEG quality of the live image.
DEPTH_STEP, JPEG_QUALITY = 0.001, 85


@dataclass(frozen=True, eq=False)
class LiveImages:
    """The newest frame, encoded once for all pages."""

    view: LiveView

    @cached_property
    def message(self) -> bytes:
        view, camera = self.view, self.view.camera
        _, jpeg = cv2.imencode(".jpg", view.image[..., ::-1],
                               [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        depth = np.rint(np.clip(view.depth / DEPTH_STEP, 0, 65535)).astype(np.uint16)
        return binary_message(
            {"type": "live", "frame_index": view.frame_index, "timestamp": view.timestamp,
             "lost": view.lost, "width": camera.width, "height": camera.height,
             "depth_step": DEPTH_STEP, "pose": view.T_world_cam[:3],
             "camera": [camera.fx, camera.fy, camera.cx, camera.cy, camera.width,
                        camera.height]},
            {"image": jpeg.ravel(), "depth": depth, "labels": view.labels})


@dataclass(frozen=True, eq=False)
class PageState:
    """Replaced whole whenever anything changes; ``serial`` grows then."""

    serial: int = 0
    shown: ShownMap | None = None
    live: LiveImages | None = None
    #: state, fps, lag, memory, queue
    status: dict[str, Any] = field(default_factory=dict)
    annotations: dict[str, Any] = field(default_factory=dict)
