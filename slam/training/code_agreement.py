"""Fused labels as a differentiable function of the semantic head: codes that agree (equation 8)
by Gauss-Newton steps through which gradients flow, and the views decoded at these."""

from collections.abc import Sequence

import torch
from torch import Tensor

from scenecode.networks.families.losses import cross_entropy, lovasz_softmax
from scenecode.slam.fusion.code_fusion import SemanticAgreement
from scenecode.slam.fusion.label_fusion import LabelFusion, LabelFusionConfig
from scenecode.slam.fusion.label_views import LabelView

#: Weight of the cross-entropy beside the loss of the intersection over union.
_CROSS_ENTROPY = 0.3


def agreeing_codes(views: Sequence[LabelView], config: LabelFusionConfig, steps: int) -> Tensor:
    """Codes (V, K) after some undamped Gauss-Newton steps towards agreement with the first view,
    from zero."""
    problem = SemanticAgreement.pairwise(views, config.code, config.tolerance)
    codes = torch.stack([view.start_code() for view in views])
    for _ in range(steps):
        step = problem.linearise(codes).solve_damped(0.0)
        # with the prior the system is always positive definite
        assert step is not None
        codes = problem.retract(codes, step)
    return codes


def fused_at_agreement(views: Sequence[LabelView], config: LabelFusionConfig,
                       steps: int) -> Tensor:
    """(C, H, W) class probabilities of the first view's pixels by the method ``code_alone``."""
    return LabelFusion(views, config).averaged_at(agreeing_codes(views, config, steps))


def fusion_loss(probabilities: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
    """Of class probabilities (N, C) against ids (N,), weighted (C,): the intersection over union,
    which is what results are judged by, and some cross-entropy, which pulls where it is flat."""
    logs = probabilities.clamp(min=1e-5).log().T[None, :, None]
    return lovasz_softmax(probabilities, labels) \
        + _CROSS_ENTROPY * cross_entropy(logs, labels[None, None], class_weights)
