"""Making a trained network ready to predict: fewer and smaller, but equal, operations.

What comes out computes the same map from image to prediction; it can neither be trained nor
saved as a checkpoint.
"""

from typing import Literal

import torch
from torch import nn

from scenecode.core.errors import ConfigError
from scenecode.networks.families.scenecode.model import SceneCode
from scenecode.networks.inference.onnx_runtime import RuntimeFeatures
from scenecode.networks.layers.backbones import folded
from scenecode.optim.geometry.camera import PinholeCamera

#: How precisely encoder and decoders compute: ``auto`` is bfloat16 where the device has it.
#: Heads, Jacobians and everything after them are float32 always.
Precision = Literal["auto", "float32", "bfloat16"]
#: How far a bfloat16 prediction may lie from the float32 one, each a mean over an image: in
#: proximity (an eighth of the zero code's own error), in probability that goes to other
#: classes, and in the Jacobians as a part of their mean size.
BFLOAT16_PROXIMITY, BFLOAT16_PROBABILITY, BFLOAT16_JACOBIAN = 5e-3, 3e-2, 5e-2


def has_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` computes convolutions in bfloat16 itself; elsewhere they are emulated,
    many times slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # torch has no public name for the question it asks itself before it uses oneDNN
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The type of numbers that a precision means on a device; ``ConfigError`` when unknown."""
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16(device) else "float32"
    try:
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    except KeyError as error:
        raise ConfigError(f"precision '{precision}' is unknown; use auto, float32 or "
                          "bfloat16") from error


def make_ready(model: SceneCode, dtype: torch.dtype = torch.float32) -> SceneCode:
    """``model`` itself, in evaluation mode, with batch norm folded away and encoder and
    decoders computing in ``dtype``; in float32 on a CPU, by ONNX Runtime."""
    fold_batch_norm(model)
    model.eval().requires_grad_(False)
    for part in (model.backbone, model.depth_decoder, model.semantic_decoder):
        # parameters only: the input's normalisation keeps its precision
        for parameter in part.parameters():
            parameter.data = parameter.data.to(dtype)
    if dtype == torch.float32 and model.backbone.mean.device.type == "cpu":
        model.runtime = RuntimeFeatures(model)
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
def warm_up(model: SceneCode) -> None:
    """Predict once from a black image: the first run chooses and compiles kernels, which no
    keyframe should wait for."""
    model.predict(torch.zeros(3, model.height, model.width), canonical_camera(model))


def canonical_camera(model: SceneCode) -> PinholeCamera:
    """A camera of the model's image size and the focal length that it learnt depth for."""
    focal = model.config.canonical_focal
    return PinholeCamera(focal, focal, (model.width - 1) / 2, (model.height - 1) / 2,
                         model.width, model.height)
