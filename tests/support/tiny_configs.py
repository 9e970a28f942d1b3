"""A network of each family that trains in seconds on images of 64x64 pixels: the mappings
``model`` and ``loss`` of a training configuration, and its ``epochs`` where 2 do not suffice.
Every family of the registry has one."""

#: What all have in common.
_GEOMETRY = {"width": 64, "height": 64, "canonical_focal": 60.0, "average_depth": 2.0}
_ENCODER = {"backbone": "mobilenetv2", "padding": "keras", "frozen_norm": True}
_SIZED = _GEOMETRY | _ENCODER

TINY_CONFIGS = {
    "scenecode": {
        "model": _SIZED | {"depth_code": 4, "semantic_code": 4,
                           "decoder_channels": [8, 8, 8, 8], "residual_units": [0, 0, 0, 0],
                           "pooling_blocks": [0, 0, 0, 0], "recognition_channels": [8, 8]},
        "loss": {"plain_depth": 10.0}, "epochs": 4},
    "twins": {
        "model": _SIZED | {"pyramid_channels": 16, "pyramid_rates": [1, 2],
                           "depth_channels": [12, 8], "connection_channels": 8,
                           "skip_channels": 8, "label_channels": 16, "min_depth": 0.3,
                           "max_depth": 10.0, "baseline": 0.1},
        "loss": {"semantic": 0.5, "depth_scale": 10.0, "invariance": 0.0,
                 "difference": "log_disparity"}},
    "depth_bins": {
        "model": _SIZED | {"output_stride": 16, "pyramid_rates": [1, 2], "bins": 12,
                           "min_depth": 0.5, "max_depth": 10.0}},
    "hybridnet": {
        "model": _SIZED | {"pyramid_rates": [1, 2], "pyramid_channels": 32, "dropout": 0.0,
                           "global_channels": [8, 8, 8, 8, 8], "global_neurons": 8,
                           "refining_image_channels": 7, "refining_channels": 8},
        "loss": {"labels": 10.0}},
    "multiscale_crf": {
        "model": _SIZED | {"branch_channels": [4, 8, 8, 8, 16], "branch_norm": True,
                           "context_dilation": 2, "score_stride": 4,
                           "crf": {"appearance_colour": 20.0, "iterations": 3}},
        "loss": {"labels": 1.0, "absolute": 1.0}},
}
