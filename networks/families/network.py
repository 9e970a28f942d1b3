"""What every network offers, whatever its family: to inference, evaluation and training."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from scenecode.networks.classes import ClassSet
from scenecode.networks.families.geometry import Geometry
from scenecode.networks.families.uncertainty import LogDepthStd
from scenecode.networks.layers.backbones import Backbone
from scenecode.networks.prediction import Prediction
from scenecode.networks.sample import Sample
from scenecode.optim.dense_crf.crf import DenseCRF
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import depth_from_proximity

OutputT = TypeVar("OutputT")


class NetworkConfig(Protocol):
    """Everything that decides the shape of a network: a frozen dataclass that
    ``scenecode.core.strict_config`` can read; stored in the checkpoint."""

    @property
    def architecture(self) -> str:
        """Name of the family."""
        ...

    @property
    def geometry(self) -> Geometry:
        """Image size and depth range."""
        ...


@dataclass(frozen=True)
class Answer:
    """Maps that a network gives for one image, at the image's size, on the CPU; ``None`` for those
    that it lacks (a network of depth alone, or of labels alone)."""

    #: the ``a`` of proximity in metres, for the camera of the image
    average_depth: float
    #: (H, W) proximity
    prox: Tensor | None = None
    #: (H, W) predicted Laplace scale of proximity
    prox_b: Tensor | None = None
    #: (C, H, W) logits
    logits: Tensor | None = None

    @property
    def depth(self) -> Tensor | None:
        """(H, W) metres."""
        if self.prox is None:
            return None
        return depth_from_proximity(self.prox, self.average_depth)

    @property
    def labels(self) -> Tensor | None:
        """(H, W) the most likely class ids."""
        return None if self.logits is None else self.logits.argmax(0)


def answer_title(name: str) -> str:
    """The name of an answer as words: ``zero code`` for ``zero_code``."""
    return name.replace("_", " ")


@dataclass(frozen=True)
class Figure:
    """A picture that explains what a network does with one image."""

    #: begins its file name
    name: str
    caption: str
    #: (H, W, 3) uint8 RGB
    picture: np.ndarray


class OutputGraph(nn.Module):
    """What of a network computes a dataclass of tensors, as a tuple in the order of its fields,
    which is what can be exported."""

    def __init__(self, model: nn.Module, compute: Callable[[Tensor], Any]):
        """``compute`` is a method of ``model``, of an image batch (B, 3, H, W)."""
        super().__init__()
        self.model = model
        self._compute = compute

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        output = self._compute(image)
        return tuple(getattr(output, field.name) for field in fields(output))


class Network(nn.Module, ABC):
    """A network that is built from a configuration and a label set; also a
    ``scenecode.networks.prediction.Predictor``.

    A family must write ``predict`` and its own forward pass for its objective; the rest has
    defaults that suit a network without codes.
    """

    #: whether depth and labels come from the image; those of ``predict`` mean nothing otherwise
    #: (logits all 0; depth anything, with a large Laplace scale)
    predicts_depth: ClassVar[bool] = True
    predicts_labels: ClassVar[bool] = True
    #: the image encoder, which may start from ImageNet weights, stay frozen and have a learning
    #: rate of its own; ``None`` for a network without such a part
    backbone: Backbone | None
    #: the dense conditional random field that was trained with the network, if any
    crf: DenseCRF | None
    #: of a network that does not itself predict how uncertain its depth is; training fits it
    log_depth_std: LogDepthStd | None

    def __init__(self, config: NetworkConfig, classes: ClassSet):
        super().__init__()
        self.config, self.classes = config, classes
        self.width, self.height = config.geometry.width, config.geometry.height
        self.backbone = None
        self.crf = None
        self.log_depth_std = None
        #: computes ``graph()`` for one image in torch's place
        #: (``scenecode.networks.inference.onnx_runtime``)
        self.runtime: Callable[[Tensor], tuple[Tensor, ...]] | None = None

    @property
    def geometry(self) -> Geometry:
        """Image size and depth range."""
        return self.config.geometry

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next(self.parameters()).device

    @abstractmethod
    def predict(self, image: Tensor, camera: PinholeCamera) -> Prediction:
        """The prediction for one image (3, height, width) in [0, 1], seen by ``camera`` of the
        same size: proximity, its Laplace scale and logits, with their derivatives by the codes.

        Raises ``ValueError`` for an image of another size and ``ConfigError`` for a network
        that cannot be mapped with.
        """

    def predict_without_jacobians(self, image: Tensor) -> object:
        """The part of ``predict`` that is not derivatives by codes; only its time matters."""
        return self.predict(image, self.geometry.canonical_camera())

    @torch.no_grad()
    def answers(self, sample: Sample) -> dict[str, Answer]:
        """Everything that is to be scored of a labelled image of the network's size, by name; the
        first must use the image alone, others may use the truth too.

        By default ``network``: the maps of ``predict`` that mean something.
        """
        return {"network": self.answer_of(self.predict(sample.image, sample.camera))}

    def answer_of(self, prediction: Prediction) -> Answer:
        """The maps of a prediction at zero codes that mean something."""
        prediction = prediction.resized(self.width, self.height)
        return Answer(
            average_depth=prediction.average_depth,
            prox=prediction.prox_zero.cpu() if self.predicts_depth else None,
            prox_b=prediction.prox_b.cpu() if self.predicts_depth else None,
            logits=prediction.logits_zero.cpu() if self.predicts_labels else None)

    def prediction_without_codes(self, canonical_depth: Tensor, log_depth_std: Tensor,
                                 logits: Tensor, camera: PinholeCamera) -> Prediction:
        """Of depth (h, w) in metres at the canonical focal length, the standard deviation (h, w)
        of its logarithm, and logits (C, h', w'), for an image of ``camera``."""
        depth = canonical_depth * camera.focal / self.geometry.canonical_focal
        return Prediction.without_codes(
            depth=depth, depth_std=depth * log_depth_std, logits=logits, classes=self.classes,
            average_depth=self.geometry.average_depth_for(camera))

    def output_of(self, image: Tensor, compute: Callable[[Tensor], OutputT],
                  from_graph: Callable[..., OutputT]) -> OutputT:
        """``compute`` of a batch of one image (3, H, W), or where there is a ``runtime``, what
        ``from_graph`` makes of its tensors."""
        batch = image[None].to(self.device)
        return compute(batch) if self.runtime is None else from_graph(*self.runtime(batch))

    def figures(self, sample: Sample) -> list[Figure]:
        """Pictures of a labelled image that only this family can draw; none by default."""
        return []

    def parameter_groups(self) -> dict[str, float]:
        """Factors of the learning rate by how the names of parameters begin (``classifier.``);
        the longest beginning that fits counts, others have factor 1.  Empty by default."""
        return {}

    @torch.no_grad()
    def fit_uncertainty(self, samples: Iterable[Sample]) -> None:
        """Fit ``log_depth_std``, where there is one, to the errors of ``predict`` on labelled
        images that the network was not trained on."""
        if self.log_depth_std is not None:
            self.log_depth_std.fit(map(self._canonical_depths, samples))

    def _canonical_depths(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Predicted and true depth (H, W) in metres at the canonical focal length."""
        prediction = self.predict(sample.image, sample.camera).resized(self.width, self.height)
        truth = sample.with_depth_up_to(self.geometry.max_depth).depth
        scale = self.geometry.average_depth / prediction.average_depth
        return scale * prediction.depth().cpu(), scale * truth

    def low_precision_modules(self) -> list[nn.Module]:
        """Modules that may compute in bfloat16; none by default."""
        return []

    def graph(self) -> nn.Module | None:
        """A module from an image batch (1, 3, H, W) to a tuple of tensors, which ``runtime``
        computes where it is set; ``None``, the default, leaves everything to torch."""
        return None

    def compute_maps(self, image: Tensor) -> object:
        """What the network computes of an image batch (1, 3, H, W) before derivatives by codes
        and its random field; only the operations matter."""
        graph = self.graph()
        return self(image) if graph is None else graph(image)

    def transferable_state(self, earlier: "Network") -> dict[str, Tensor] | None:
        """Those weights of ``earlier``, by name, that this network may start from: by default all
        of the same network with the same classes, of any other its encoder where that is the
        same; ``None`` when there are none."""
        if (earlier.config, earlier.classes) == (self.config, self.classes):
            return dict(earlier.state_dict())
        theirs = earlier.state_dict()
        own = {name: value.shape for name, value in self.state_dict().items()
               if name.startswith("backbone.")}
        fits = own and all(name in theirs and theirs[name].shape == shape
                           for name, shape in own.items())
        return {name: theirs[name] for name in own} if fits else None

    def require_size(self, image: Tensor) -> None:
        """Raises ``ValueError`` for an image that is not (3, height, width)."""
        if image.shape != (3, self.height, self.width):
            raise ValueError(f"this model takes 3x{self.height}x{self.width} images, "
                             f"got {tuple(image.shape)}")
