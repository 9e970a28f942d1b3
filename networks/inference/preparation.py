"""Making a trained network ready to predict: fewer and smaller, but equal, operations.

What comes out computes the same map from image to prediction; it can neither be trained nor
saved as a checkpoint.
"""

from typing import TypeVar

import torch
from torch import nn

from scenecode.networks.families.network import Network
from scenecode.networks.inference.onnx_runtime import OnnxGraph
from scenecode.networks.layers.backbones import folded

NetworkT = TypeVar("NetworkT", bound=Network)

#: How far a bfloat16 prediction may lie from the float32 one, each a mean over an image: in
#: proximity (an eighth of the zero code's own error), in probability that goes to other
#: classes, and in the Jacobians as a part of their mean size.
BFLOAT16_PROXIMITY, BFLOAT16_PROBABILITY, BFLOAT16_JACOBIAN = 5e-3, 3e-2, 5e-2


def make_ready(model: NetworkT, dtype: torch.dtype = torch.float32) -> NetworkT:
    """``model`` itself, in evaluation mode, with batch norm folded away and its low-precision
    modules computing in ``dtype``; in float32 on a CPU, its graph by ONNX Runtime."""
    fold_batch_norm(model)
    model.eval().requires_grad_(False)
    for module in model.low_precision_modules():
        # parameters only: the input's normalisation keeps its precision
        for parameter in module.parameters():
            parameter.data = parameter.data.to(dtype)
    graph = model.graph()
    if graph is not None and dtype == torch.float32 and model.device.type == "cpu":
        model.runtime = OnnxGraph(graph, model.width, model.height)
    return model


@torch.no_grad()
def fold_batch_norm(model: nn.Module) -> None:
    """Replace, in place, every batch norm by what it adds to the convolution before it.

    Batch norm that no longer follows the batch is one scale and one shift a channel.  It
    belongs to the convolution that is registered just before it in the same module, as
    everywhere in this project; raises ``ValueError`` when there is none.
    """
    for parent in list(model.modules()):
        before = None
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                if not isinstance(before, nn.Conv2d):
                    raise ValueError(f"batch norm '{name}' does not follow a convolution")
                weight, bias = folded(before, child)
                before.weight, before.bias = nn.Parameter(weight), nn.Parameter(bias)
                setattr(parent, name, nn.Identity())
            before = child


@torch.inference_mode()
def warm_up(model: Network) -> None:
    """Predict once from a black image: the first run chooses and compiles kernels, which no
    keyframe should wait for."""
    model.predict(torch.zeros(3, model.height, model.width), model.geometry.canonical_camera())
