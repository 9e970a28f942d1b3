"""The network's features computed by ONNX Runtime, on a CPU about twice as fast as by torch."""

import io
import warnings

import onnxruntime
import torch
from torch import Tensor, nn

from scenecode.networks.families.scenecode.model import Features, SceneCode

#: The set of ONNX operators that the network is written in.
OPSET = 17
#: Only errors are worth a line on the user's terminal.
LOG_ERRORS = 3


class RuntimeFeatures:
    """``SceneCode.features`` of one image, as torch computes it up to rounding.

    The model has to be ready (``scenecode.networks.inference.preparation.make_ready``), on a CPU and in float32; later
    changes to it are not seen.
    """

    def __init__(self, model: SceneCode):
        self._graph = _exported(model)
        self._session: onnxruntime.InferenceSession | None = None
        self._threads = 0

    def __call__(self, image: Tensor) -> Features:
        """(1, 3, H, W) in [0, 1] to what the decoders say about it."""
        session = self._for_threads(torch.get_num_threads())
        outputs = session.run(None, {"image": image.contiguous().numpy()})
        return Features(*map(torch.from_numpy, outputs))

    def _for_threads(self, threads: int) -> onnxruntime.InferenceSession:
        """A session works with a fixed number of threads, torch with one that may change when
        mapping moves beside tracking."""
        if self._session is None or self._threads != threads:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.log_severity_level = LOG_ERRORS
            self._session = onnxruntime.InferenceSession(
                self._graph, options, providers=["CPUExecutionProvider"])
            self._threads = threads
        return self._session


class _AsTuple(nn.Module):
    """Features as the tuple that can be exported, in the order of their fields."""

    def __init__(self, model: SceneCode):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        found = self.model.features(image)
        return (found.depth, found.semantic, found.prox_zero, found.prox_b, found.logits_zero)


def _exported(model: SceneCode) -> bytes:
    """The network as an ONNX file for images of its own size."""
    file = io.BytesIO()
    image = torch.zeros(1, 3, model.height, model.width)
    with warnings.catch_warnings():
        # the exporter that needs no further packages announces that it is the older one
        warnings.simplefilter("ignore")
        torch.onnx.export(_AsTuple(model), (image,), file, dynamo=False, opset_version=OPSET,
                          input_names=["image"])
    return file.getvalue()
