"""The graph of a network by ONNX Runtime, on a CPU about twice as fast as by torch."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import onnxruntime

#: The set of ONNX operators that the network is written in.
OPSET = 17
#: ONNX Runtime's severity from which on it writes to the user's terminal: errors.
LOG_ERRORS = 3


class OnnxGraph:
    """What a module computes for one image, as torch computes it up to rounding.

    The module must be ready (``scenecode.networks.inference.preparation.make_ready``), on a CPU
    and in float32, and return a tuple of tensors; later changes to it have no effect here.
    """

    def __init__(self, module: nn.Module, width: int, height: int):
        self._graph = _exported(module, width, height)
        self._session: onnxruntime.InferenceSession | None = None
        self._threads = 0

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """(1, 3, H, W) in [0, 1] to the tensors of the module."""
        session = self._session_for(torch.get_num_threads())
        outputs = session.run(None, {"image": image.contiguous().numpy()})
        return tuple(map(torch.from_numpy, outputs))

    def _session_for(self, threads: int) -> onnxruntime.InferenceSession:
        """A session has a fixed number of threads, torch's may change when mapping runs in
        parallel to tracking."""
        if self._session is None or self._threads != threads:
            import onnxruntime
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.log_severity_level = LOG_ERRORS
            self._session = onnxruntime.InferenceSession(
                self._graph, options, providers=["CPUExecutionProvider"])
            self._threads = threads
        return self._session


def _exported(module: nn.Module, width: int, height: int) -> bytes:
    """The module as an ONNX file for images (1, 3, height, width)."""
    file = io.BytesIO()
    image = torch.zeros(1, 3, height, width)
    with warnings.catch_warnings():
        # the exporter that needs no further packages announces that it is the older one
        warnings.simplefilter("ignore")
        # it also takes a file object, which its annotation lacks
        torch.onnx.export(module, (image,), cast(Any, file), dynamo=False, opset_version=OPSET,
                          input_names=["image"])
    return file.getvalue()
