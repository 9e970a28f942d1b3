"""Groups of views of made rooms, with the network's features of each, to train heads on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from scenecode.networks.classes import ClassSet
from scenecode.networks.prediction import Prediction
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.benchmarks.fusion_scenes import Group, RoomTrajectories
from scenecode.slam.fusion.label_views import LabelView


@runtime_checkable
class CodedLabels(Protocol):
    """A network whose logits are linear in a semantic code; see
    ``scenecode.networks.families.scenecode``."""

    classes: ClassSet

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    def semantic_features(self, image: Tensor) -> Tensor: ...

    def logits_and_jacobian(self, features: Tensor) -> tuple[Tensor, Tensor]: ...

    def semantic_code_weights(self) -> list[nn.Parameter]: ...


@dataclass(frozen=True)
class FeatureGroup:
    """V views of one place, the first of which is to be labelled; what does not depend on the
    heads is computed once, and kept in 16 bits."""

    camera: PinholeCamera
    #: (V, F, h, w) float16 features of the semantic decoder
    features: Tensor
    #: (V, H, W) float16 metres
    depth: Tensor
    #: (V, 4, 4)
    T_world_cam: Tensor
    #: (H, W) uint8 class ids of the first view
    labels: Tensor

    @staticmethod
    @torch.no_grad()
    def of(group: Group, model: CodedLabels) -> "FeatureGroup":
        frames = group.frames
        features = [model.semantic_features(frame.image).half() for frame in frames]
        return FeatureGroup(camera=frames[0].camera, features=torch.stack(features),
                            depth=torch.stack([frame.depth for frame in frames]).half(),
                            T_world_cam=torch.stack([frame.T_world_cam for frame in frames]),
                            labels=group.labels())

    def views(self, model: CodedLabels, chosen: Sequence[int]) -> list[LabelView]:
        """The ``chosen`` views with logits and Jacobians of the model's present head, through
        which gradients flow.  Their images are black and their proximities mean nothing: neither
        is needed where labels alone are fused."""
        features = self.features[list(chosen)].float()
        logits, J_code = model.logits_and_jacobian(features)
        nothing = features.new_zeros(features.shape[2:])
        black = features.new_zeros(3, 1, 1).expand(3, self.camera.height, self.camera.width)
        return [LabelView(
            camera=self.camera, T_world_cam=self.T_world_cam[n].float(), image=black,
            depth=self.depth[n].float(),
            prediction=Prediction(prox_zero=nothing, prox_J_code=nothing[None][:0], prox_b=nothing,
                                  logits_zero=logits[i], logits_J_code=J_code[i],
                                  classes=model.classes, average_depth=1.0))
            for i, n in enumerate(chosen)]


def room_groups(model: CodedLabels, rooms: int, views: int, references: int,
                first_seed: int) -> Iterator[list[FeatureGroup]]:
    """The groups of one room after the other."""
    trajectories = RoomTrajectories(rooms, views, references, first_seed, model.width,
                                    model.height)
    for index in range(len(trajectories)):
        yield [FeatureGroup.of(group, model) for group in trajectories.groups(index)]
