"""Fused labels as a differentiable function of the semantic head: codes that agree (equation 8)
by Gauss-Newton steps through which gradients flow, and the views decoded at these."""

from collections.abc import Sequence

import torch
from torch import Tensor

from scenecode.networks.families.losses import cross_entropy, lovasz_softmax
from scenecode.slam.fusion.code_fusion import SemanticAgreement
from scenecode.slam.fusion.label_fusion import LabelFusion, LabelFusionConfig
from scenecode.slam.fusion.label_views import LabelView

#: Power that probabilities are raised to before their intersection over union is taken, which is
#: then about that of the most likely classes: otherwise certainty is learnt instead of labels.
_SHARPNESS = 5.0
#: Weight of the cross-entropy beside it, which pulls where that is flat.
_CROSS_ENTROPY = 0.03


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
    which is what results are judged by, and a little cross-entropy."""
    logs = probabilities.clamp(min=1e-5).log()
    sharp = torch.softmax(_SHARPNESS * logs, 1)
    return lovasz_softmax(sharp, labels) + _CROSS_ENTROPY * cross_entropy(
        logs.T[None, :, None], labels[None, None], class_weights)
