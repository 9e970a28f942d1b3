"""What fusion made of a keyframe, in 20 to 30 kB: what is shown, written and scored of it is
decoded from that."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from scenecode.core.images import from_png_bytes, png_bytes
from scenecode.networks.prediction import resize_maps
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import (
    MAX_PROXIMITY,
    MIN_PROXIMITY,
    depth_from_proximity,
    depth_std,
)
from scenecode.slam.fusion.packed_maps import LOG_DEPTH, PackedMap
from scenecode.slam.fusion.voxel_map import LabelledPoints
from scenecode.slam.map.stored_image import StoredImage


@dataclass(frozen=True)
class RestingResult:
    """The fused maps of a keyframe, compressed; its ``DenseMaps`` are decoded at every access.

    Depth is kept at the resolution of the prediction, labels at that of fusion.
    """

    camera: PinholeCamera
    stored_image: StoredImage
    #: the ``a`` of proximity, metres
    average_depth: float
    #: see ``packed``
    log_depth: PackedMap
    log_b: PackedMap
    corrections: PackedMap | None
    #: PNG files
    fused_labels: bytes
    fused_confidence: bytes
    reliable: bytes

    @staticmethod
    def packed(camera: PinholeCamera, stored_image: StoredImage, average_depth: float, *,
               proximity: Tensor, log_b: PackedMap, corrections: PackedMap | None,
               probabilities: Tensor, reliable: Tensor) -> "RestingResult":
        """Of the proximity (h, w) at a keyframe's code, ln of its Laplace scale, the corrections
        of ln depth, the fused class probabilities (C, H, W), and whether pixels give points of the
        map (H, W)."""
        p = proximity.clamp(MIN_PROXIMITY, MAX_PROXIMITY)
        confidence, labels = probabilities.max(0)
        return RestingResult(
            camera=camera, stored_image=stored_image, average_depth=average_depth,
            log_depth=LOG_DEPTH.pack(((1 - p) / p).log()), log_b=log_b, corrections=corrections,
            fused_labels=png_bytes(labels.to(torch.uint8).cpu().numpy()),
            # at least 1, so that every point has a vote
            fused_confidence=png_bytes(
                (confidence * 255).round().clamp(1, 255).to(torch.uint8).cpu().numpy()),
            reliable=png_bytes(reliable.to(torch.uint8).cpu().numpy()))

    def rescaled(self, factor: float) -> "RestingResult":
        """The same with depth multiplied by a factor."""
        return replace(self, average_depth=self.average_depth * factor)

    def is_rescaled(self, other: "RestingResult") -> bool:
        """Whether ``other`` is this result at another scale, or itself."""
        return self.log_depth is other.log_depth and self.reliable is other.reliable

    @property
    def num_bytes(self) -> int:
        """Of the compressed maps; the image is the keyframe's own."""
        maps = (self.log_depth, self.log_b, self.corrections)
        return sum(len(packed.data) for packed in maps if packed is not None) \
            + sum(map(len, (self.fused_labels, self.fused_confidence, self.reliable)))

    @property
    def log_depth_corrections(self) -> Tensor:
        """(h, w): ln of the factor that corrects the depth of the code."""
        if self.corrections is None:
            return torch.zeros(from_png_bytes(self.log_depth.data).shape)
        return self.corrections.values()

    @property
    def image(self) -> np.ndarray:
        return self.stored_image.pixels()

    @property
    def depth(self) -> np.ndarray:
        return self._depth(self.camera.width, self.camera.height).numpy()

    @property
    def depth_std(self) -> np.ndarray:
        depth = self._depth(self.camera.width, self.camera.height)
        b = _resized(self.log_b.values().exp(), self.camera.width, self.camera.height)
        return depth_std(depth, b, self.average_depth).numpy()

    @property
    def labels(self) -> np.ndarray:
        return self._voted()[0]

    @property
    def confidence(self) -> np.ndarray:
        return self._voted()[1]

    def points(self, T_world_cam: np.ndarray) -> LabelledPoints:
        """The reliable pixels as points of the world, at a pose (4, 4)."""
        keep = from_png_bytes(self.reliable) > 0
        height, width = keep.shape
        camera = self.camera.resized(width, height)
        rays = camera.rays(camera.pixel_grid(dtype=torch.float64)).numpy()[keep.ravel()]
        x = rays * self._depth(width, height).numpy()[keep].astype(np.float64)[:, None]
        T = np.asarray(T_world_cam, np.float64)
        # written out, so that the same point is computed the same way among any others
        world = np.stack([x[:, 0] * T[i, 0] + x[:, 1] * T[i, 1] + x[:, 2] * T[i, 2] + T[i, 3]
                          for i in range(3)], 1)
        image = cv2.resize(self.image, (width, height), interpolation=cv2.INTER_AREA)
        return LabelledPoints(points=world, colours=image[keep],
                              labels=from_png_bytes(self.fused_labels)[keep],
                              confidence=from_png_bytes(self.fused_confidence)[keep])

    def _depth(self, width: int, height: int) -> Tensor:
        proximity = 1 / (1 + self.log_depth.values().exp())
        depth = depth_from_proximity(_resized(proximity, width, height), self.average_depth)
        if self.corrections is None:
            return depth
        return depth * _resized(self.corrections.values(), width, height).exp()

    def _voted(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels and confidence at full resolution: of a pixel's four neighbours, each votes for
        its label with its bilinear weight times its confidence."""
        labels = from_png_bytes(self.fused_labels)
        confidence = from_png_bytes(self.fused_confidence).astype(np.float32) / 255
        width, height = self.camera.width, self.camera.height
        if labels.shape == (height, width):
            return labels, confidence
        rows, columns = _interpolation(labels.shape[0], height), \
            _interpolation(labels.shape[1], width)
        neighbours = [(labels[np.ix_(y, x)], confidence[np.ix_(y, x)] * wy[:, None] * wx)
                      for y, wy in rows for x, wx in columns]
        best_label, best = neighbours[0][0], np.full((height, width), -1, np.float32)
        for label, _ in neighbours:
            votes = sum(np.where(other == label, weight, np.float32(0))
                        for other, weight in neighbours)
            better = votes > best
            best_label, best = np.where(better, label, best_label), np.where(better, votes, best)
        return best_label, best


def _resized(values: Tensor, width: int, height: int) -> Tensor:
    return resize_maps(values[None], width, height)[0]


def _interpolation(size: int, new_size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Index and weight of the lower and the upper neighbour of each new pixel's centre, as
    ``resize_maps`` has them."""
    at = ((np.arange(new_size) + 0.5) * size / new_size - 0.5).clip(0, size - 1)
    low = np.floor(at).astype(np.intp)
    upper = np.minimum(low + 1, size - 1)
    weight = (at - low).astype(np.float32)
    return [(low, 1 - weight), (upper, weight)]
