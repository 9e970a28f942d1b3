"""Loss terms of proximity and labels, their balance, and class weights."""

from types import EllipsisType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenecode.networks.classes import VOID
from scenecode.networks.distributed import Processes

#: Relative depth errors are taken of proximities at least this far inside 0 to 1.
PROXIMITY_MARGIN = 0.05


def proximity_l1(prox: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute error where ``valid`` is 1; all (B, 1, H, W)."""
    return ((prox - truth).abs() * valid).sum() / valid.sum().clamp(min=1)


def relative_l1(prox: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean of ``|depth - true depth| / true depth`` where ``valid`` is 1, of proximities
    (B, 1, H, W): the average depth cancels out."""
    p, q = (maps.clamp(PROXIMITY_MARGIN, 1 - PROXIMITY_MARGIN) for maps in (prox, truth))
    relative = ((1 / p - 1) / (1 / q - 1) - 1).abs()
    return (relative * valid).sum() / valid.sum().clamp(min=1)


def laplace_nll(prox: Tensor, truth: Tensor, valid: Tensor, b: Tensor, min_b: float) -> Tensor:
    """``|p~ - p| / b + log b`` (SceneCode, equation 3), mean over valid pixels, with the constant
    ``-log(min_b)`` added: it is then never negative, which the task weights need."""
    nll = (prox - truth).abs() / b + torch.log(b / min_b)
    return (nll * valid).sum() / valid.sum().clamp(min=1)


def edge_l1(prox: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute error of the differences between neighbours, right and below, where both are
    ``valid``; of proximities (B, 1, H, W).  Edges are sharp and planes flat where it is small."""
    error, total, count = prox - truth, prox.new_zeros(()), prox.new_zeros(())
    for dim in (2, 3):
        n = error.shape[dim] - 1
        both = valid.narrow(dim, 0, n) * valid.narrow(dim, 1, n)
        total = total + (error.diff(dim=dim).abs() * both).sum()
        count = count + both.sum()
    return total / count.clamp(min=1)


def scale_invariant(difference: Tensor, valid: Tensor, invariance: float = 0.5) -> Tensor:
    """``mean(d^2) - invariance * mean(d)^2`` over the valid pixels of each image, mean over the
    images (Eigen et al. 2014, equation 4); ``difference`` of logarithms and ``valid`` (0 or 1)
    are (B, ..., H, W), and an image without valid pixels has no error.

    The same for depth as for disparity, whose logarithm differs in sign, and with an invariance
    of 1 for any scale of either.
    """
    d, weight = difference.flatten(1), valid.flatten(1).to(difference.dtype)
    count = weight.sum(1).clamp(min=1)
    d = d.where(weight > 0, 0.0)
    mean_square, mean = d.square().sum(1) / count, d.sum(1) / count
    return (mean_square - invariance * mean.square()).mean()


def cross_entropy(logits: Tensor, labels: Tensor, class_weights: Tensor) -> Tensor:
    """Logits (B, C, H, W), labels (B, H, W) ids; the mean over pixels, each with the weight (C,)
    of its class (SceneCode, equation 4); void pixels do not count."""
    total = F.cross_entropy(logits, labels.long(), class_weights, ignore_index=VOID,
                            reduction="sum")
    return total / labelled_weight(labels, class_weights).clamp(min=1e-6)


def lovasz_softmax(probabilities: Tensor, labels: Tensor) -> Tensor:
    """One minus the intersection over union of each class that is there, mean over these, made
    continuous for probabilities (N, C) of pixels labelled (N,) (Berman et al. 2018, equations 8 to
    11); void pixels do not count."""
    known = labels != VOID
    probabilities, labels = probabilities[known], labels[known].long()
    losses = []
    for label in labels.unique().tolist():
        own = (labels == label).to(probabilities.dtype)
        errors, order = (own - probabilities[:, label]).abs().sort(descending=True)
        own = own[order]
        missed = own.cumsum(0)
        jaccard = 1 - (missed[-1] - missed) / (missed[-1] + (1 - own).cumsum(0))
        losses.append(errors @ jaccard.diff(prepend=jaccard.new_zeros(1)))
    return torch.stack(losses).mean() if losses else probabilities.sum()


def own_part(weight: Tensor, processes: Processes) -> Tensor:
    """The ``weight`` of this process's pixels over the mean of all processes: turns a mean over
    its own pixels into its part of the mean over all."""
    return weight / processes.mean(weight).clamp(min=1e-6)


def cross_entropy_part(logits: Tensor, labels: Tensor, class_weights: Tensor,
                       processes: Processes) -> Tensor:
    """This process's part of ``cross_entropy``; logits at any resolution."""
    return own_part(labelled_weight(labels, class_weights), processes) \
        * cross_entropy(upsampled(logits, labels), labels, class_weights)


def pixel_grid(step: int, generator: torch.Generator) -> tuple[EllipsisType, slice, slice]:
    """The index of every ``step``-th pixel of each row and column, from a random one on."""
    row, column = torch.randint(step, (2,), generator=generator).tolist()
    return ..., slice(row, None, step), slice(column, None, step)


def labelled_weight(labels: Tensor, class_weights: Tensor) -> Tensor:
    """The sum of the class weights (C,) of all pixels of ``labels`` that are not void."""
    return class_weights[labels[labels != VOID].long()].sum()


def balanced_weights(counts: Tensor, exponent: float) -> Tensor:
    """Class weights (C,) as ``frequency ** -exponent``, one on average over pixels, from pixel
    counts (C,); classes that never occur weigh as one pixel of theirs would."""
    counts = counts.double()
    weights = counts.clamp(min=1) ** -exponent
    return (weights * counts.sum().clamp(min=1) / (weights * counts).sum().clamp(min=1e-6)).float()


def upsampled(maps: Tensor, like: Tensor) -> Tensor:
    """Maps at feature resolution, at the height and width of ``like``, in single precision."""
    return F.interpolate(maps.float(), like.shape[-2:], mode="bilinear", align_corners=False)


class TaskWeights(nn.Module):
    """Balance of two losses by learnt homoscedastic uncertainty (Kendall et al. 2018):
    ``sum_i exp(-s_i) L_i + s_i`` for non-negative ``L_i``."""

    def __init__(self) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(2))

    def forward(self, depth: Tensor, semantic: Tensor) -> Tensor:
        losses = torch.stack([depth, semantic])
        return (torch.exp(-self.log_variance) * losses + self.log_variance).sum()
