"""Small smooth coded views, for checks of everything that is built on a pair."""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.residuals import DepthMaps, LabelMaps
from scenecode.optim.warp import CodedPixels, ViewState

KD, KS, CLASSES = 3, 4, 5
WIDTH, HEIGHT = 16, 12
CAMERA = PinholeCamera(0.9 * WIDTH, 0.92 * WIDTH, WIDTH / 2 - 0.3, HEIGHT / 2 - 0.6,
                       WIDTH, HEIGHT)


@dataclass(frozen=True)
class Views:
    """V views as residuals take them, float64."""

    pixels: CodedPixels
    pictures: Tensor
    depth_maps: DepthMaps
    label_maps: LabelMaps


def smooth(generator, count, height, width):
    """(count, H, W) sums of a few low waves, float64."""
    v, u = torch.meshgrid(torch.linspace(0, 1, height, dtype=torch.float64),
                          torch.linspace(0, 1, width, dtype=torch.float64), indexing="ij")
    maps = []
    for _ in range(count):
        a = torch.randn(4, 3, dtype=torch.float64, generator=generator)
        maps.append(sum(c[0] * torch.sin(3 * c[1] * u + 3 * c[2] * v + c[0]) for c in a))
    return torch.stack(maps)


def coded_views(*seeds):
    pictures, prox, prox_J, logits, logits_J = [], [], [], [], []
    for seed in seeds:
        g = torch.Generator().manual_seed(seed)
        pictures.append(0.5 + 0.1 * smooth(g, 1, HEIGHT, WIDTH)[0])
        prox.append(0.5 + 0.03 * smooth(g, 1, HEIGHT, WIDTH)[0])
        prox_J.append(0.02 * smooth(g, KD, HEIGHT, WIDTH).permute(1, 2, 0))
        logits.append(smooth(g, CLASSES, HEIGHT, WIDTH).permute(1, 2, 0))
        logits_J.append(0.5 * smooth(g, CLASSES * KS, HEIGHT, WIDTH).permute(1, 2, 0))
    prox, prox_J, logits, logits_J = (torch.stack(v) for v in (prox, prox_J, logits, logits_J))
    a = torch.full((len(seeds), 1), 2.0, dtype=torch.float64)
    rays = CAMERA.rays(CAMERA.pixel_grid(torch.float64)).expand(len(seeds), -1, -1)
    return Views(
        pixels=CodedPixels(rays=rays, prox_zero=prox.flatten(1),
                           prox_J_code=prox_J.flatten(1, 2), average_depth=a),
        pictures=torch.stack(pictures)[..., None],
        depth_maps=DepthMaps(prox_zero=prox[..., None], prox_J_code=prox_J, average_depth=a),
        label_maps=LabelMaps(logits_zero=logits, logits_J_code=logits_J))


def view_state(seed):
    g = torch.Generator().manual_seed(100 + seed)
    xi = 0.03 * torch.randn(6, dtype=torch.float64, generator=g)
    return ViewState(se3.exp(xi), 0.5 * torch.randn(KD, dtype=torch.float64, generator=g),
                     0.5 * torch.randn(KS, dtype=torch.float64, generator=g))
