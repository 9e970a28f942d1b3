"""How precisely a network computes, and what the device can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from scenecode.core.errors import ConfigError

if TYPE_CHECKING:
    import torch

#: ``auto`` is bfloat16 where the device has it.  Which modules follow is the family's choice
#: (``Network.low_precision_modules``); everything after them is float32 always.
Precision = Literal["auto", "float32", "bfloat16"]


def has_bfloat16(device: torch.device) -> bool:
    """Whether ``device`` computes convolutions in bfloat16 itself; elsewhere they are emulated,
    many times slower than float32."""
    import torch
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # torch has no public name for the check that it makes itself before it uses oneDNN
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The type of numbers that a precision means on a device; ``ConfigError`` when unknown."""
    import torch
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16(device) else "float32"
    try:
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    except KeyError as error:
        raise ConfigError(f"precision '{precision}' is unknown; use auto, float32 or "
                          "bfloat16") from error
