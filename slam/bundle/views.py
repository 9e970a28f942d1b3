"""What the residuals of a window need of its keyframes, stacked: V views at one resolution."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import depth_from_proximity
from scenecode.optim.residuals import DepthMaps, LabelMaps, softmax_chain
from scenecode.optim.warp import CodedPixels
from scenecode.slam.bundle.weights import spread, strongest, surface_weight
from scenecode.slam.config.slam_config import MappingConfig
from scenecode.slam.map.keyframe import Keyframe


class SurfaceViews:
    """Depth of whole views at the level of the geometric term, with the weights of their
    surfaces, which stay as they are during a stage; of some pixels that are warped."""

    def __init__(self, keyframes: Sequence[Keyframe], codes: Tensor, config: MappingConfig):
        level = config.geometric_level
        self.camera = keyframes[0].camera_at(level)
        maps = [keyframe.proximity_maps(level) for keyframe in keyframes]
        a = torch.tensor([[k.prediction.average_depth] for k in keyframes])
        self.depth_maps = DepthMaps(torch.stack([m[0] for m in maps]),
                                    torch.stack([m[1] for m in maps]), a.to(maps[0][0]))
        grid = self.camera.pixel_grid(device=codes.device)
        rays = self.camera.rays(grid)
        chosen = spread(grid, config.residuals.geometric_every)
        self.pixels = CodedPixels(rays[chosen].expand(len(maps), -1, -1),
                                  self.depth_maps.prox_zero.flatten(1)[:, chosen],
                                  self.depth_maps.prox_J_code.flatten(1, 2)[:, chosen],
                                  self.depth_maps.average_depth)
        depth = self.depth(codes)
        points = depth[..., None] * rays.view(*depth.shape[1:], 3)
        #: (V, h, w)
        self.weight_maps = torch.stack([surface_weight(p, config.residuals) for p in points])
        #: (V, N)
        self.weight = self.weight_maps.flatten(1)[:, chosen]

    def depth(self, codes: Tensor) -> Tensor:
        """(V, h, w) metres at codes (V, Kd)."""
        prox = self.depth_maps.proximity(codes)[..., 0]
        return depth_from_proximity(prox, self.depth_maps.average_depth[..., None])

    def maps(self, codes: Tensor) -> Tensor:
        """(V, h, w, 2) depth and weight of surfaces, to be looked up."""
        return torch.stack([self.depth(codes), self.weight_maps], -1)


class ImageViews:
    """The pixels of each view that the photometric term warps, and the images to compare."""

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
            pixels, w = strongest(image, map_weight, config.residuals.photometric_pixels)
            at = keyframe.at_pixels(pixels, level)
            chosen.append(pixels)
            weight.append(w)
            intensity.append(image[pixels[:, 1].long(), pixels[:, 0].long()])
            prox.append(at[0])
            J.append(at[1])
        # views with fewer pixels are filled up with some that have no weight
        #: (V, N)
        self.weight, self.intensity = (pad_sequence(v, True) for v in (weight, intensity))
        self.pixels = CodedPixels(self.camera.rays(pad_sequence(chosen, True)),
                                  pad_sequence(prox, True, 0.5), pad_sequence(J, True),
                                  surfaces.depth_maps.average_depth)


class LabelViews:
    """Logits of whole views at the level of the semantic term, of some pixels that are warped."""

    def __init__(self, keyframes: Sequence[Keyframe], surfaces: SurfaceViews,
                 config: MappingConfig):
        level = config.semantic_level
        self.camera: PinholeCamera = keyframes[0].camera_at(level)
        maps = [keyframe.logit_maps(level) for keyframe in keyframes]
        self.maps = LabelMaps(torch.stack([m[0] for m in maps]),
                              torch.stack([m[1] for m in maps]))
        grid = self.camera.pixel_grid(device=self.maps.logits_zero.device)
        self._chosen = spread(grid, config.residuals.semantic_every)
        C = self.maps.logits_zero.shape[-1]
        self._logits_zero = self.maps.logits_zero.flatten(1, 2)[:, self._chosen]
        self._logits_J = self.maps.logits_J_code.flatten(1, 2)[:, self._chosen] \
            .unflatten(-1, (C, -1))
        rays = self.camera.rays(grid[self._chosen])
        at = [keyframe.at_pixels(grid[self._chosen], level) for keyframe in keyframes]
        self.pixels = CodedPixels(rays.expand(len(maps), -1, -1),
                                  torch.stack([p[0] for p in at]), torch.stack([p[1] for p in at]),
                                  surfaces.depth_maps.average_depth)
        size = self.camera.height, self.camera.width
        weights = F.interpolate(surfaces.weight_maps[None], size, mode="bilinear")[0]
        #: (V, N)
        self.weight = weights.flatten(1)[:, self._chosen]

    def probabilities(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """(V, N, C) and their derivative (V, N, C, Ks) at semantic codes (V, Ks)."""
        logits = self._logits_zero + (self._logits_J @ codes[:, None, :, None])[..., 0]
        prob = torch.softmax(logits, -1)
        return prob, softmax_chain(prob, self._logits_J)
