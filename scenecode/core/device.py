"""Choosing where to compute."""

import torch

from scenecode.core.errors import ConfigError


def choose_device(name: str = "auto") -> torch.device:
    """``auto`` takes a GPU when torch sees one; ``ConfigError`` for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device '{name}' is unknown; use auto, cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device '{name}': torch finds no GPU here; use auto or cpu")
    return device
