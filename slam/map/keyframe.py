"""A keyframe: an image, and the network's prediction for it at every resolution."""

from dataclasses import dataclass, field, replace
from math import exp

import numpy as np
import torch
from torch import Tensor

from scenecode.networks.prediction import Prediction, resize_maps
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import depth_from_proximity, depth_std
from scenecode.optim.imaging import image as imaging
from scenecode.optim.imaging.lookup import sample_view
from scenecode.optim.warp import ViewState
from scenecode.slam.features.orb import Features, detect, grey
from scenecode.slam.map.stored_image import StoredImage
from scenecode.slam.map.working_memory import KeyframeMaps, WorkingMemory
from scenecode.slam.records.frame import Frame, GroundTruth
from scenecode.slam.records.stored_truth import StoredTruth


@dataclass(frozen=True, eq=False)
class Keyframe:
    """What does not change; poses and codes, which do, are in the graph.

    It keeps the compressed image; pixels and prediction come from the ``memory``, which computes
    them again where they were dropped.
    """

    #: index in its source and time in seconds of the frame it was made from
    frame_index: int
    timestamp: float
    camera: PinholeCamera
    image: StoredImage
    #: (4, 4) as tracked, when it became a keyframe
    T_world_cam_inserted: Tensor
    #: for place recognition and relocalisation
    features: Features
    memory: WorkingMemory = field(repr=False)
    #: factor by which depth was rescaled since; the prediction includes it
    scale: float = 1.0
    stored_truth: StoredTruth | None = None
    #: ``motion`` with the translation over ``scale``
    motion_at_scale_1: Tensor | None = None
    #: see ``Frame.camera_is_known``; not kept in map files
    camera_is_known: bool = False
    #: see ``Frame.camera_height``; not kept in map files
    camera_height: float | None = None

    @property
    def truth(self) -> GroundTruth | None:
        """What is known about its frame; used by evaluation only."""
        return None if self.stored_truth is None else self.stored_truth.restored()

    @property
    def maps(self) -> KeyframeMaps:
        """Decoded image and prediction, the latter at scale 1."""
        return self.memory.maps(self.image, self.camera)

    @property
    def rgb(self) -> Tensor:
        """(3, H, W) float32 in [0, 1]."""
        return self.maps.rgb

    @property
    def grey(self) -> np.ndarray:
        """(H, W) uint8, the first level of the pyramid as OpenCV takes it.  Decoded at every
        access: of a keyframe at rest it costs no prediction."""
        return grey(imaging.pyramid(imaging.intensity(self.image.tensor()), 1)[0])

    @property
    def sharp_grey(self) -> np.ndarray:
        """(H, W) uint8 likewise, as the pyramid begins before it is smoothed."""
        return grey(imaging.intensity(self.image.tensor()))

    @property
    def pyramid(self) -> tuple[Tensor, ...]:
        """Intensity (H, W), full resolution first."""
        return self.maps.pyramid

    @property
    def prediction(self) -> Prediction:
        """The network's prediction, rescaled."""
        prediction = self.maps.prediction
        return replace(prediction, average_depth=prediction.average_depth * self.scale)

    def moving(self, level: int = 0) -> Tensor | None:
        """(H, W) bool at a pyramid level, whether a pixel shows something that may move and is
        left out; None where nothing does."""
        if not self.memory.masks_moving:
            return None
        maps = self.maps
        if maps.moving is None or not level:
            return maps.moving
        moving = maps.moving
        return maps.derived(("moving", level), lambda: resize_maps(
            moving[None].float(), *self.size_at(level))[0] > 0)

    def size_at(self, level: int) -> tuple[int, int]:
        """Width and height at a pyramid level."""
        return self.camera.width >> level, self.camera.height >> level

    def camera_at(self, level: int) -> PinholeCamera:
        """The camera of a pyramid level."""
        return self.camera.resized(*self.size_at(level))

    def gradient_strength(self, level: int) -> Tensor:
        """(H, W) length of the intensity's gradient at a pyramid level."""
        maps = self.maps
        return maps.derived(("gradient", level), lambda: imaging.central_gradient(
            maps.pyramid[level]).norm(dim=-1))

    def proximity_maps(self, level: int) -> tuple[Tensor, Tensor]:
        """Zero-code proximity (H, W, 1) and its derivative (H, W, Kd) at a pyramid level."""
        maps, size = self.maps, self.size_at(level)

        def resized() -> tuple[Tensor, Tensor]:
            p = maps.prediction
            both = resize_maps(torch.cat([p.prox_zero[None], p.prox_J_code]), *size)
            both = both.permute(1, 2, 0)
            return both[..., :1].contiguous(), both[..., 1:].contiguous()

        return maps.derived(("proximity", level), resized)

    def logit_maps(self, level: int) -> tuple[Tensor, Tensor]:
        """Zero-code logits (H, W, C) and their derivative (H, W, C * Ks) at a level."""
        maps, size = self.maps, self.size_at(level)

        def resized() -> tuple[Tensor, Tensor]:
            p = maps.prediction
            zero, J = (resize_maps(values, *size).permute(1, 2, 0).contiguous()
                       for values in (p.logits_zero, p.logits_J_code.flatten(0, 1)))
            return zero, J

        return maps.derived(("logits", level), resized)

    def proximity_at(self, pixels: Tensor, level: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Zero-code proximity (N,), its derivative (N, Kd) and its Laplace scale (N,) at pixels
        (N, 2) of a pyramid level."""
        maps = self.maps

        def by_pixel() -> Tensor:
            p = maps.prediction
            planes = torch.cat([p.prox_zero[None], p.prox_b[None], p.prox_J_code])
            return planes.permute(1, 2, 0).contiguous()

        known = maps.derived("proximity by pixel", by_pixel)
        h, w = known.shape[:2]
        width, height = self.size_at(level)
        scale = pixels.new_tensor([w / width, h / height])
        values = sample_view(known, (pixels + 0.5) * scale - 0.5)
        return values[:, 0], values[:, 2:].contiguous(), values[:, 1]

    def rescaled(self, log_factor: float) -> "Keyframe":
        """The same with depth multiplied by ``exp(log_factor)`` at every code: depth is
        proportional to the ``a`` of its proximity."""
        return replace(self, scale=self.scale * exp(log_factor))

    @property
    def motion(self) -> Tensor | None:
        """(6,) float64: how the camera moved when it took the image, in its own frame and per
        second; None where that is not known.  With it the global adjustment undoes what a rolling
        shutter does."""
        motion = self.motion_at_scale_1
        return None if motion is None else se3.stretched(motion, motion.new_tensor(self.scale))

    def with_motion(self, motion: Tensor | None) -> "Keyframe":
        """The same with another ``motion``."""
        if motion is not None:
            motion = motion.double().cpu()
            motion = se3.stretched(motion, motion.new_tensor(1 / self.scale))
        return replace(self, motion_at_scale_1=motion)

    def initial_state(self) -> ViewState:
        """The tracked pose, and codes at the mode of their prior: zero."""
        p = self.prediction
        return ViewState(self.T_world_cam_inserted, p.prox_zero.new_zeros(p.depth_code_size),
                         p.prox_zero.new_zeros(p.semantic_code_size))

    def depth(self, code_depth: Tensor, level: int = 0) -> Tensor:
        """(H, W) metres at a pyramid level."""
        p = self.prediction
        prox = resize_maps(p.proximity(code_depth)[None], *self.size_at(level))[0]
        return depth_from_proximity(prox, p.average_depth)

    def depth_std(self, depth: Tensor) -> Tensor:
        """(H, W) standard deviation of ``depth`` (H, W) in metres, as the network predicts it."""
        height, width = depth.shape
        p = self.prediction
        b = resize_maps(p.prox_b[None], width, height)[0]
        return depth_std(depth, b, p.average_depth)

    def probabilities(self, code_semantic: Tensor, level: int = 0) -> Tensor:
        """(C, H, W) class probabilities at a pyramid level."""
        logits = resize_maps(self.prediction.logits(code_semantic), *self.size_at(level))
        return torch.softmax(logits, 0)


def at_pixels(mask: Tensor, pixels: np.ndarray) -> np.ndarray:
    """(N,) bool of a mask (H, W) at the pixels (N, 2) nearest to these; those outside count as the
    border."""
    height, width = mask.shape
    u, v = np.rint(pixels).astype(np.intp).T
    return mask.numpy(force=True)[v.clip(0, height - 1), u.clip(0, width - 1)]


def make_keyframe(frame: Frame, T_world_cam: Tensor, memory: WorkingMemory) -> Keyframe:
    """Compress a frame at a pose (4, 4), run the network on it, and detect its ORB features.

    Raises ``PredictionError`` for an answer of the network that cannot be used.
    """
    image = StoredImage.of(frame.image)
    maps = memory.maps(image, frame.camera)
    features = detect(grey(maps.pyramid[0]))
    if maps.moving is not None:
        features = features.select(~at_pixels(maps.moving, features.pixels))
    return Keyframe(frame_index=frame.index, timestamp=frame.timestamp, camera=frame.camera,
                    image=image, T_world_cam_inserted=T_world_cam,
                    features=features, memory=memory,
                    stored_truth=StoredTruth.of(frame), camera_is_known=frame.camera_is_known,
                    camera_height=frame.camera_height)
