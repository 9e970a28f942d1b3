"""DINOv2 ViT-S/14 (Oquab et al. 2023) as an image encoder: large, slow and good, a teacher for
the encoders that run live."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.networks.layers.backbones import Backbone

#: Pixels of a patch's side, channels of a token, heads of attention, layers.
PATCH, CHANNELS, HEADS, LAYERS = 14, 384, 6, 12
#: Layers whose tokens are the maps at strides 4, 8, 16 and 32.
TAPS = (2, 5, 8, 11)
#: Tokens in 32 pixels of the image, which is enlarged for this: details count more than in the
#: 224 pixels of ImageNet.
TOKENS_PER_32_PIXELS = 3


class _Layer(nn.Module):
    """Attention and a perceptron, each scaled and added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(CHANNELS, 1e-6)
        self.query, self.key, self.value, self.dense = (nn.Linear(CHANNELS, CHANNELS)
                                                        for _ in range(4))
        self.scale1 = nn.Parameter(torch.ones(CHANNELS))
        self.norm2 = nn.LayerNorm(CHANNELS, 1e-6)
        self.fc1, self.fc2 = nn.Linear(CHANNELS, 4 * CHANNELS), nn.Linear(4 * CHANNELS, CHANNELS)
        self.scale2 = nn.Parameter(torch.ones(CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        q, k, v = (linear(y).unflatten(2, (HEADS, -1)).transpose(1, 2)
                   for linear in (self.query, self.key, self.value))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.scale1 * self.dense(y)
        return x + self.scale2 * self.fc2(F.gelu(self.fc1(self.norm2(x))))


class DinoV2Small(Backbone):
    """DINOv2 ViT-S/14; tokens of four layers, resampled, take the place of a pyramid."""

    channels = (CHANNELS,) * 4

    def __init__(self, frozen_norm: bool = False):
        super().__init__(frozen_norm)
        self.projection = nn.Conv2d(3, CHANNELS, PATCH, PATCH)
        self.cls = nn.Parameter(torch.zeros(1, 1, CHANNELS))
        #: of the class token first, then of a square of patches
        self.position = nn.Parameter(torch.zeros(1, 1 + 37 * 37, CHANNELS))
        self.layers = nn.ModuleList(_Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(CHANNELS, 1e-6)
        self.train()

    def blocks(self) -> list[nn.Module]:
        return [self.projection, *self.layers]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) in [0, 1] to features at strides 4, 8, 16, 32."""
        H, W = image.shape[-2:]
        h, w = (size * TOKENS_PER_32_PIXELS // 32 for size in (H, W))
        enlarged = F.interpolate(self.normalise(image), (h * PATCH, w * PATCH), mode="bilinear",
                                 align_corners=False)
        x = self.projection(enlarged).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1).to(x), x], 1) + self._positions(h, w)
        maps: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i in TAPS:
                tokens = self.norm(x)[:, 1:].transpose(1, 2).unflatten(2, (h, w))
                stride = 4 << len(maps)
                maps.append(F.interpolate(tokens, (H // stride, W // stride), mode="bilinear",
                                          align_corners=False))
        return tuple(maps)

    def _positions(self, h: int, w: int) -> Tensor:
        """Position embeddings of the class token and (h, w) patches, (1, 1 + h * w, C)."""
        side = round((int(self.position.shape[1]) - 1) ** 0.5)
        square = self.position[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        resampled = F.interpolate(square.float(), (h, w), mode="bicubic", align_corners=False)
        return torch.cat([self.position[:, :1], resampled.flatten(2).transpose(1, 2)], 1)


def onnx_weights(path: str) -> dict[str, Tensor]:
    """State of a ``DinoV2Small`` from an ONNX file that holds one, exported by torch under the
    names of the library ``transformers`` (``/backbone/encoder/layer.0/mlp/fc1/MatMul``)."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    values = {entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy())
              for entry in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].HasField("t"):
            values[node.output[0]] = torch.from_numpy(
                numpy_helper.to_array(node.attribute[0].t).copy())
    state = {"projection.weight": values["backbone.embeddings.patch_embeddings.projection.weight"],
             "projection.bias": values["backbone.embeddings.patch_embeddings.projection.bias"],
             "cls": values["backbone.embeddings.cls_token"],
             "norm.weight": values["backbone.layernorm.weight"],
             "norm.bias": values["backbone.layernorm.bias"]}
    positions = {}
    for node in graph.node:
        if node.name == "/backbone/embeddings/Reshape_1":
            positions["patches"] = values[node.input[0]].reshape(1, -1, CHANNELS)
        if node.name == "/backbone/embeddings/Concat_6":
            positions["class"] = values[node.input[0]].reshape(1, 1, CHANNELS)
    state["position"] = torch.cat([positions["class"], positions["patches"]], 1)
    names = {"attention.attention.query": "query", "attention.attention.key": "key",
             "attention.attention.value": "value", "attention.output.dense": "dense",
             "mlp.fc1": "fc1", "mlp.fc2": "fc2", "norm1": "norm1", "norm2": "norm2"}
    matrices = {node.name: values[node.input[1]] for node in graph.node
                if node.op_type == "MatMul" and node.input[1] in values}
    for i in range(LAYERS):
        published, own = f"backbone.encoder.layer.{i}", f"layers.{i}"
        for theirs, ours in names.items():
            state[f"{own}.{ours}.bias"] = values[f"{published}.{theirs}.bias"]
            if ours.startswith("norm"):
                state[f"{own}.{ours}.weight"] = values[f"{published}.{theirs}.weight"]
            else:
                node_name = f"/backbone/encoder/layer.{i}/{theirs.replace('.', '/')}/MatMul"
                state[f"{own}.{ours}.weight"] = matrices[node_name].T.contiguous()
        for scale in ("1", "2"):
            state[f"{own}.scale{scale}"] = values[f"{published}.layer_scale{scale}.lambda1"]
    return state
