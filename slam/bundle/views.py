"""Maps and pixels of the V keyframes of a window, stacked as its residuals take them."""

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import depth_from_proximity
from scenecode.optim.residuals import DepthMaps, LabelMaps, PixelLabels, softmax, softmax_chain
from scenecode.optim.solvers.pair_sums import PairPixels
from scenecode.optim.warp import CodedPixels, by_codes
from scenecode.slam.bundle.layout import Pairs
from scenecode.slam.bundle.weights import regular_subset, strongest_pixels, surface_weight
from scenecode.slam.config.mapping import MappingConfig
from scenecode.slam.map.keyframe import Keyframe


class WarpedViews(Protocol):
    """Pixels of views that a term warps from each A into its B."""

    camera: PinholeCamera
    pixels: CodedPixels
    #: (V, N)
    weight: Tensor
    pairs: PairPixels


class SurfaceViews:
    """Depth maps at the level of the geometric term, with the weights of their surfaces, which
    are constant during a stage; and the pixels that the term warps."""

    def __init__(self, keyframes: Sequence[Keyframe], codes: Tensor, pairs: Pairs,
                 config: MappingConfig):
        level = config.geometric_level
        self.camera = keyframes[0].camera_at(level)
        maps = [keyframe.proximity_maps(level) for keyframe in keyframes]
        a = torch.tensor([[k.prediction.average_depth] for k in keyframes])
        self.depth_maps = DepthMaps(prox_zero=torch.stack([m[0] for m in maps]),
                                    prox_J_code=torch.stack([m[1] for m in maps]),
                                    average_depth=a.to(maps[0][0]))
        grid = self.camera.pixel_grid(device=codes.device)
        rays = self.camera.rays(grid)
        chosen = regular_subset(grid, config.residuals.geometric_stride)
        self.pixels = CodedPixels(
            rays=rays[chosen].expand(len(maps), -1, -1),
            prox_zero=self.depth_maps.prox_zero.flatten(1)[:, chosen],
            prox_J_code=self.depth_maps.prox_J_code.flatten(1, 2)[:, chosen],
            average_depth=self.depth_maps.average_depth)
        self.pairs = PairPixels.of(pairs.a, pairs.b, self.pixels.prox_J_code)
        depth = self.depth(codes)
        # as planes of coordinates
        points = (depth * rays.T.reshape(3, 1, *depth.shape[1:])).movedim(0, -1)
        #: (V, h, w)
        self.weight_maps = surface_weight(points) \
            if config.residuals.visibility_weights else torch.ones_like(depth)
        for weight, keyframe in zip(self.weight_maps, keyframes):
            moving = keyframe.moving(level)
            if moving is not None:
                weight[moving] = 0.0
        #: (V, N)
        self.weight = self.weight_maps.flatten(1)[:, chosen]

    def depth(self, codes: Tensor) -> Tensor:
        """(V, h, w) metres at codes (V, Kd)."""
        prox = self.depth_maps.proximity(codes)[..., 0]
        return depth_from_proximity(prox, self.depth_maps.average_depth[..., None])

    def maps(self, codes: Tensor) -> Tensor:
        """(V, h, w, 2) depth and weight of surfaces."""
        return torch.stack([self.depth(codes), self.weight_maps], -1)


class ImageViews:
    """Images at the level of the photometric term, and the pixels that it warps."""

    def __init__(self, keyframes: Sequence[Keyframe], surfaces: SurfaceViews, level: int,
                 config: MappingConfig):
        self.camera: PinholeCamera = keyframes[0].camera_at(level)
        images = torch.stack([keyframe.pyramid[level] for keyframe in keyframes])
        #: (V, H, W, 1)
        self.maps = images[..., None]
        weights = F.interpolate(surfaces.weight_maps[None], images.shape[1:],
                                mode="bilinear")[0]
        chosen, weight, intensity, prox, J = [], [], [], [], []
        for keyframe, image, map_weight in zip(keyframes, images, weights):
            pixels, w = strongest_pixels(keyframe.gradient_strength(level), map_weight,
                                         config.residuals.photometric_pixels)
            prox_zero, prox_J_code, _ = keyframe.proximity_at(pixels, level)
            chosen.append(pixels)
            weight.append(w)
            intensity.append(image[pixels[:, 1].long(), pixels[:, 0].long()])
            prox.append(prox_zero)
            J.append(prox_J_code)
        # views with fewer pixels are padded with pixels of weight zero
        #: (V, N)
        self.weight, self.intensity = (pad_sequence(v, True) for v in (weight, intensity))
        self.pixels = CodedPixels(rays=self.camera.rays(pad_sequence(chosen, True)),
                                  prox_zero=pad_sequence(prox, True, 0.5),
                                  prox_J_code=pad_sequence(J, True),
                                  average_depth=surfaces.depth_maps.average_depth)
        self.pairs = PairPixels.of(surfaces.pairs.a, surfaces.pairs.b, self.pixels.prox_J_code)


class LabelViews:
    """Logit maps at the level of the semantic term, and the pixels that it warps."""

    def __init__(self, keyframes: Sequence[Keyframe], surfaces: SurfaceViews,
                 config: MappingConfig):
        level = config.semantic_level
        self.camera: PinholeCamera = keyframes[0].camera_at(level)
        maps = [keyframe.logit_maps(level) for keyframe in keyframes]
        self.maps = LabelMaps(torch.stack([m[0] for m in maps]),
                              torch.stack([m[1] for m in maps]))
        grid = self.camera.pixel_grid(device=self.maps.logits_zero.device)
        self._chosen = regular_subset(grid, config.residuals.semantic_stride)
        C = self.maps.logits_zero.shape[-1]
        self._logits_zero = self.maps.logits_zero.flatten(1, 2)[:, self._chosen]
        self._logits_J = self.maps.logits_J_code.flatten(1, 2)[:, self._chosen] \
            .unflatten(-1, (C, -1))
        rays = self.camera.rays(grid[self._chosen])
        at = [keyframe.proximity_at(grid[self._chosen], level) for keyframe in keyframes]
        self.pixels = CodedPixels(rays=rays.expand(len(maps), -1, -1),
                                  prox_zero=torch.stack([p[0] for p in at]),
                                  prox_J_code=torch.stack([p[1] for p in at]),
                                  average_depth=surfaces.depth_maps.average_depth)
        # by B, whose maps are large, for the processor's caches
        order = surfaces.pairs.b.argsort()
        self.pairs = PairPixels.of(surfaces.pairs.a[order], surfaces.pairs.b[order],
                                   self.pixels.prox_J_code)
        size = self.camera.height, self.camera.width
        weights = F.interpolate(surfaces.weight_maps[None], size, mode="bilinear")[0]
        #: (V, N)
        self.weight = weights.flatten(1)[:, self._chosen]

    def pixel_labels(self, codes: Tensor) -> PixelLabels:
        """At semantic codes (V, Ks)."""
        logits = by_codes(self._logits_J.flatten(1, 2), codes).view_as(self._logits_zero)
        prob = softmax(self._logits_zero + logits)
        return PixelLabels(prob=prob, prob_J_code=softmax_chain(prob, self._logits_J))
