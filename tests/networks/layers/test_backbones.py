import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from scenecode.core.errors import CheckpointError, ConfigError
from scenecode.networks.layers.backbones import conv_norm, make_backbone
from scenecode.networks.layers.imagenet import load_imagenet

#: name and shape of a few tensors of torchvision's published files
PUBLISHED = {
    "mobilenetv2": {"features.0.0.weight": (32, 3, 3, 3), "features.0.1.running_var": (32,),
                    "features.1.conv.0.0.weight": (32, 1, 3, 3),
                    "features.1.conv.1.weight": (16, 32, 1, 1),
                    "features.2.conv.0.0.weight": (96, 16, 1, 1),
                    "features.2.conv.3.bias": (24,),
                    "features.17.conv.2.weight": (320, 960, 1, 1)},
    "efficientnet_lite1": {"features.0.0.weight": (32, 3, 3, 3),
                           "features.5.conv.1.0.weight": (144, 1, 5, 5),
                           "features.21.conv.2.weight": (320, 1152, 1, 1)},
    "resnet18": {"conv1.weight": (64, 3, 7, 7), "bn1.running_mean": (64,),
                 "layer2.0.downsample.0.weight": (128, 64, 1, 1),
                 "layer4.1.conv2.weight": (512, 512, 3, 3)},
    "resnet34": {"layer3.5.bn2.weight": (256,), "layer1.2.conv1.weight": (64, 64, 3, 3)},
    "resnet101": {"layer3.22.conv3.weight": (1024, 256, 1, 1)},
    "resnet50": {"layer1.0.downsample.1.bias": (256,),
                 "layer3.5.conv3.weight": (1024, 256, 1, 1),
                 "layer4.2.conv2.weight": (512, 512, 3, 3)},
}
CHANNELS = {"mobilenetv2": (24, 32, 96, 320), "efficientnet_lite1": (24, 40, 112, 320),
            "resnet18": (64, 128, 256, 512),
            "resnet34": (64, 128, 256, 512), "resnet50": (256, 512, 1024, 2048)}
#: parameters of published models without their classifiers (and the last 1x1 of the mobile ones)
PARAMETERS = {"mobilenetv2": 1_811_712, "efficientnet_lite1": 3_723_520,
              "resnet18": 11_176_512, "resnet34": 21_284_672, "resnet50": 23_508_032,
              "resnet101": 42_500_160}


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_names_and_shapes_are_the_published_ones(name):
    with torch.device("meta"):
        backbone = make_backbone(name)
    state = backbone.state_dict()
    for key, shape in PUBLISHED[name].items():
        assert tuple(state[key].shape) == shape
    assert sum(p.numel() for p in backbone.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", list(CHANNELS))
def test_features_have_strides_4_to_32(name):
    with torch.no_grad():
        features = make_backbone(name).eval()(torch.rand(1, 3, 64, 96))
    assert [tuple(f.shape[1:]) for f in features] == [
        (c, 64 // s, 96 // s) for c, s in zip(CHANNELS[name], (4, 8, 16, 32))]


def test_folding_batch_norm_changes_nothing():
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 5, 3, 2, 1, bias=True).double(), nn.BatchNorm2d(5).double()
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    nn.init.uniform_(norm.weight), nn.init.uniform_(norm.bias)
    x = torch.rand(2, 3, 8, 9, dtype=torch.float64)
    norm.eval()
    torch.testing.assert_close(conv_norm(x, conv, norm), norm(conv(x)))


def test_frozen_blocks_and_norms_do_not_move():
    backbone = make_backbone("mobilenetv2", frozen_norm=True)
    backbone.freeze(4)
    backbone.train()
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], 1.0)
    backbone(torch.rand(2, 3, 32, 32))[3].sum().backward()
    optimiser.step()
    after = backbone.state_dict()
    for key in before:
        if "running" in key or key.startswith(("features.0.", "features.3.")):
            assert torch.equal(before[key], after[key]), key
    assert not torch.equal(before["features.17.conv.3.bias"], after["features.17.conv.3.bias"])
    with pytest.raises(ConfigError, match="freeze 0 to 18"):
        backbone.freeze(19)


def test_keras_padding_looks_right_and_down():
    """Keras' first output pixel sees rows and columns 0..2, torch's -1..1."""
    image = torch.zeros(1, 3, 32, 32)
    image[..., 2, 2] = 1.0
    for padding, sees in (("keras", True), ("torch", False)):
        backbone = make_backbone("mobilenetv2", padding).eval()
        stem = backbone.features[0]
        nn.init.ones_(stem[0].weight)
        with torch.no_grad():
            assert bool(stem(image)[0, 0, 0, 0] > 0) == sees


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_published_weights_load_by_name(tmp_path, ending):
    source = make_backbone("resnet18")
    state = {k: torch.rand_like(v) if v.is_floating_point() else v
             for k, v in source.state_dict().items() if k not in ("mean", "std")}
    state["fc.weight"] = torch.rand(1000, 512)  # the classifier is not wanted
    path = tmp_path / f"resnet18{ending}"
    save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    backbone = make_backbone("resnet18")
    assert load_imagenet(backbone, path) == []
    for name, value in backbone.state_dict().items():
        if name not in ("mean", "std"):
            assert torch.equal(value, state[name]), name


def folded_mobilenet(seed=0):
    """A file in the layout of folded Keras weights, and what its first two blocks compute."""
    rng = np.random.default_rng(seed)
    shapes = {"Conv1": (32, 3, 3, 3), "expanded_conv_depthwise": (32, 1, 3, 3),
              "expanded_conv_project": (16, 32, 1, 1)}
    c_in = 16
    for i, (expand, c_out) in enumerate(_keras_blocks(), start=1):
        hidden = c_in * expand
        shapes |= {f"block_{i}_expand": (hidden, c_in, 1, 1),
                   f"block_{i}_depthwise": (hidden, 1, 3, 3),
                   f"block_{i}_project": (c_out, hidden, 1, 1)}
        c_in = c_out
    arrays = {}
    for name, shape in shapes.items():
        arrays[f"{name}.weight"] = rng.normal(0, 0.3, shape).astype(np.float32)
        arrays[f"{name}.bias"] = rng.normal(0, 0.3, shape[0]).astype(np.float32)
    return arrays


def _keras_blocks():
    for channels, repeats in ((24, 2), (32, 3), (64, 4), (96, 3), (160, 3), (320, 1)):
        yield from [(6, channels)] * repeats


def test_folded_keras_weights_compute_what_they_say(tmp_path):
    arrays = folded_mobilenet()
    np.savez(tmp_path / "m.npz", **arrays)
    backbone = make_backbone("mobilenetv2", "keras", frozen_norm=True)
    assert load_imagenet(backbone, tmp_path / "m.npz") == []
    t = {k: torch.from_numpy(v) for k, v in arrays.items()}
    image = torch.rand(1, 3, 32, 32)
    x = F.pad(image * 2 - 1, (0, 1, 0, 1))  # RGB / 127.5 - 1
    x = F.conv2d(x, t["Conv1.weight"], t["Conv1.bias"], stride=2).clamp(0, 6)
    x = F.conv2d(x, t["expanded_conv_depthwise.weight"], t["expanded_conv_depthwise.bias"],
                 padding=1, groups=32).clamp(0, 6)
    expected = F.conv2d(x, t["expanded_conv_project.weight"], t["expanded_conv_project.bias"])
    with torch.no_grad():
        got = backbone.features[1](backbone.features[0](backbone.normalise(image)))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


def published_lite(seed=0):
    """A state dictionary with the names and shapes of the published EfficientNet-Lite1."""
    rng = torch.Generator().manual_seed(seed)
    state = {}

    def layer(conv, norm, *shape):
        state[f"{conv}.weight"] = torch.randn(shape, generator=rng) * 0.3
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{name}"] = torch.rand(shape[0], generator=rng) + 0.5

    layer("_conv_stem", "_bn0", 32, 3, 3, 3)
    blocks = [(1, 16, 3)]
    for channels, repeats, kernel in ((24, 3, 3), (40, 3, 5), (80, 4, 3), (112, 4, 5),
                                      (192, 5, 5), (320, 1, 3)):
        blocks += [(6, channels, kernel)] * repeats
    c_in = 32
    for number, (expand, c_out, kernel) in enumerate(blocks):
        hidden, at = c_in * expand, f"_blocks.{number}."
        if expand > 1:
            layer(at + "_expand_conv", at + "_bn0", hidden, c_in, 1, 1)
        layer(at + "_depthwise_conv", at + "_bn1", hidden, 1, kernel, kernel)
        layer(at + "_project_conv", at + "_bn2", c_out, hidden, 1, 1)
        c_in = c_out
    layer("_conv_head", "_bn1", 1280, 320, 1, 1)  # not wanted
    return state


def test_published_lite_weights_compute_what_they_say(tmp_path):
    state = published_lite()
    torch.save(state, tmp_path / "lite1.pth")
    backbone = make_backbone("efficientnet_lite1", "keras", frozen_norm=True)
    assert load_imagenet(backbone, tmp_path / "lite1.pth") == []

    def layer(x, conv, norm, **how):
        x = F.conv2d(x, state[f"{conv}.weight"], **how)
        return F.batch_norm(x, *(state[f"{norm}.{name}"] for name in (
            "running_mean", "running_var", "weight", "bias")), eps=1e-3)

    image = torch.rand(1, 3, 32, 32)
    x = F.pad((255 * image - 127) / 128, (0, 1, 0, 1))
    x = layer(x, "_conv_stem", "_bn0", stride=2).clamp(0, 6)
    x = layer(x, "_blocks.0._depthwise_conv", "_blocks.0._bn1", padding=1, groups=32).clamp(0, 6)
    x = layer(x, "_blocks.0._project_conv", "_blocks.0._bn2")
    with torch.no_grad():
        y = backbone.features[1](backbone.features[0](backbone.normalise(image)))
        torch.testing.assert_close(y, x, rtol=1e-4, atol=1e-4)
        # the first 5x5 kernel of stride 2 pads one before and two after
        x = torch.rand(1, 24, 8, 8)
        y = backbone.features[5](x)
    x = layer(x, "_blocks.4._expand_conv", "_blocks.4._bn0").clamp(0, 6)
    x = layer(F.pad(x, (1, 2, 1, 2)), "_blocks.4._depthwise_conv", "_blocks.4._bn1", stride=2,
              groups=144).clamp(0, 6)
    torch.testing.assert_close(y, layer(x, "_blocks.4._project_conv", "_blocks.4._bn2"),
                               rtol=1e-4, atol=1e-4)


def test_partial_folded_weights_say_what_is_missing(tmp_path):
    arrays = {"conv1.weight": np.zeros((64, 3, 7, 7), np.float32),
              "conv1.bias": np.zeros(64, np.float32),
              "layer4.0.conv1.bias": np.zeros(512, np.float32)}
    np.savez(tmp_path / "r.npz", **arrays)
    missing = load_imagenet(make_backbone("resnet18"), tmp_path / "r.npz")
    assert "layer4.0.conv1.weight" in missing and "conv1.weight" not in missing


def test_wrong_files_are_refused(tmp_path):
    backbone = make_backbone("resnet18")
    with pytest.raises(CheckpointError, match="no such ImageNet weights"):
        load_imagenet(backbone, tmp_path / "gone.pth")
    (tmp_path / "bad.pth").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(CheckpointError, match="bad.pth: cannot read"):
        load_imagenet(backbone, tmp_path / "bad.pth")
    torch.save(make_backbone("resnet34").state_dict() | {"conv1.weight": torch.rand(64, 3, 3, 3)},
               tmp_path / "shape.pth")
    with pytest.raises(CheckpointError, match="'conv1.weight' is .* but this backbone has"):
        load_imagenet(backbone, tmp_path / "shape.pth")
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="no parameter name fits ResNet"):
        load_imagenet(backbone, tmp_path / "other.pth")
    np.savez(tmp_path / "m.npz", **folded_mobilenet())
    with pytest.raises(CheckpointError, match="padding: keras"):
        load_imagenet(make_backbone("mobilenetv2"), tmp_path / "m.npz")
    torch.save(published_lite(), tmp_path / "lite1.pth")
    with pytest.raises(CheckpointError, match="padding: keras"):
        load_imagenet(make_backbone("efficientnet_lite1"), tmp_path / "lite1.pth")


def test_dinov2_gives_the_pyramid_and_loads_its_own_weights(tmp_path):
    backbone = make_backbone("dinov2_small").eval()
    with torch.no_grad():
        maps = backbone(torch.rand(1, 3, 64, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [(384, 16, 24), (384, 8, 12), (384, 4, 6),
                                                  (384, 2, 3)]
    weights = {name: value for name, value in backbone.state_dict().items()
               if name not in ("mean", "std")}
    save_file(weights, tmp_path / "vit.safetensors")
    other = make_backbone("dinov2_small")
    assert load_imagenet(other, tmp_path / "vit.safetensors") == []
    assert torch.equal(other.layers[3].fc1.weight, backbone.layers[3].fc1.weight)


@pytest.mark.parametrize("name, padding", [
    ("resnet18", "torch"), ("resnet50", "torch"), ("mobilenetv2", "keras"),
    ("mobilenetv2", "torch"), ("efficientnet_lite1", "keras")])
@pytest.mark.parametrize("output_stride", [8, 16])
def test_denser_features_keep_the_values_of_the_strided_ones(name, padding, output_stride):
    """Where a strided network has a pixel, one with its strides undone has the same value."""
    torch.manual_seed(0)
    strided = make_backbone(name, padding).double().eval()
    dense = make_backbone(name, padding, output_stride=output_stride).double().eval()
    dense.load_state_dict(strided.state_dict())
    image = torch.rand(1, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        for stride, few, many in zip((4, 8, 16, 32), strided(image), dense(image)):
            step = max(stride // output_stride, 1)
            assert many.shape[-1] == 96 * step // stride
            torch.testing.assert_close(many[..., ::step, ::step], few, rtol=1e-9, atol=1e-12)
