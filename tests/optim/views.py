"""Two small smooth coded views, for checks of everything that is built on a pair."""

import torch

from optim import se3
from optim.camera import PinholeCamera
from optim.warp import CodedView, ViewState

KD, KS, CLASSES = 3, 4, 5


def smooth(generator, count, height, width):
    """(count, H, W) sums of a few low waves, float64."""
    v, u = torch.meshgrid(torch.linspace(0, 1, height, dtype=torch.float64),
                          torch.linspace(0, 1, width, dtype=torch.float64), indexing="ij")
    maps = []
    for _ in range(count):
        a = torch.randn(4, 3, dtype=torch.float64, generator=generator)
        maps.append(sum(c[0] * torch.sin(3 * c[1] * u + 3 * c[2] * v + c[0]) for c in a))
    return torch.stack(maps)


def coded_view(seed, width=16, height=12):
    g = torch.Generator().manual_seed(seed)
    camera = PinholeCamera(0.9 * width, 0.92 * width, width / 2 - 0.3, height / 2 - 0.6,
                           width, height)
    N = width * height
    return CodedView(
        camera=camera,
        intensity=(0.5 + 0.1 * smooth(g, 1, height, width)[0]).reshape(N),
        rays=camera.rays(camera.pixel_grid(torch.float64)),
        average_depth=2.0,
        prox_zero=(0.5 + 0.03 * smooth(g, 1, height, width)[0]).reshape(N),
        prox_J_code=0.02 * smooth(g, KD, height, width).reshape(KD, N).T,
        logits_zero=smooth(g, CLASSES, height, width).reshape(CLASSES, N).T,
        logits_J_code=0.5 * smooth(g, CLASSES * KS, height, width)
        .reshape(CLASSES, KS, N).permute(2, 0, 1))


def view_state(seed):
    g = torch.Generator().manual_seed(100 + seed)
    xi = 0.03 * torch.randn(6, dtype=torch.float64, generator=g)
    return ViewState(se3.exp(xi), 0.5 * torch.randn(KD, dtype=torch.float64, generator=g),
                     0.5 * torch.randn(KS, dtype=torch.float64, generator=g))
