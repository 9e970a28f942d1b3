"""Scores against ground truth: of a trajectory, and of the keyframes' depth and labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import degrees

import numpy as np
import torch

from scenecode.networks.classes import VOID
from scenecode.networks.evaluation.metrics import Confusion
from scenecode.optim.geometry import se3
from scenecode.slam.evaluation.alignment import align, matched_poses
from scenecode.slam.records.frame import GroundTruth
from scenecode.slam.records.snapshot import RIGHT_WITHIN, KeyframeView
from scenecode.slam.records.trajectory import MAX_DIFFERENCE, Trajectory

#: A depth is confident when it is more probably right than wrong.
CONFIDENT = 0.5


def trajectory_errors(gt: Trajectory, est: Trajectory,
                      max_difference: float = MAX_DIFFERENCE) -> dict[str, float]:
    """Errors of ``est`` against ``gt``, over the poses that ``associate`` matches.

    * ``ate_m``: RMSE of positions after the best similarity (Sim(3)).
    * ``rotation_deg``: RMSE of orientation errors after the best constant rotation of the
      world (chordal mean).  It is fitted to the orientations, because the rotation that
      fits the positions is undetermined on a straight path.
    * ``rpe_m``: RMSE of the translation between neighbouring matched poses (frame to frame),
      after scaling.
    * ``coverage``: fraction of the true poses that have an estimate.
    * ``zero_motion_ate_m``: ``ate_m`` of a camera that never moves: the spread of the true
      positions about their mean.
    * ``path_length_m``: length of the true path through the matched poses.
    * ``scale``: of the similarity, true metres per estimated metre.

    Raises ``ResultError`` when fewer than ``MIN_MATCHES`` poses match.
    """
    true, ours = matched_poses(gt, est, max_difference)
    similarity = align(true.positions, ours.positions)
    error = similarity.apply(ours.positions) - true.positions
    spread = true.positions - true.positions.mean(0)
    steps = np.diff(true.positions, axis=0)
    return {
        "ate_m": _rms(error),
        "rotation_deg": _rotation_rmse_deg(true.rotations, ours.rotations),
        "rpe_m": _relative_error(true, ours, similarity.scale),
        "coverage": len(true) / len(gt),
        "zero_motion_ate_m": _rms(spread),
        "path_length_m": float(np.linalg.norm(steps, axis=1).sum()),
        "scale": similarity.scale,
    }


def _rms(vectors: np.ndarray) -> float:
    """Root of the mean squared length of (N, 3)."""
    return float(np.sqrt((vectors * vectors).sum(-1).mean()))


def _rotation_rmse_deg(gt: np.ndarray, est: np.ndarray) -> float:
    """RMSE angle between (N, 3, 3) after the best constant rotation on the world's side."""
    U, _, Vt = np.linalg.svd(np.einsum("nij,nkj->ik", gt, est))
    best = (U * [1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))]) @ Vt
    T = np.tile(np.eye(4), (len(gt), 1, 1))
    T[:, :3, :3] = np.einsum("nji,jk,nkl->nil", gt, best, est)
    angles = se3.rotation_angle(torch.from_numpy(T)).numpy()
    return degrees(np.sqrt((angles * angles).mean()))


def _relative_error(gt: Trajectory, est: Trajectory, scale: float) -> float:
    """RMSE of the translation by which relative motions differ (Sturm et al. 2012, eq. 2)."""
    true, ours = _relative_motions(gt.T_world_cam, 1.0), _relative_motions(est.T_world_cam, scale)
    return _rms((np.linalg.inv(true) @ ours)[:, :3, 3])


def _relative_motions(T_world_cam: np.ndarray, scale: float) -> np.ndarray:
    """(N - 1, 4, 4) from each pose to the next, positions scaled."""
    T = T_world_cam.copy()
    T[:, :3, 3] *= scale
    return np.linalg.inv(T[:-1]) @ T[1:]


@dataclass(frozen=True)
class DepthScores:
    """How a depth map compares with the truth, over the pixels where that is known."""

    #: share of pixels that are right, at the scale of the path and at the map's own
    within: float
    within_metric: float
    #: mean error over the true depth
    abs_rel: float
    #: share of pixels that are confident, and that are both confident and right
    confident: float
    confident_within: float


@dataclass(frozen=True)
class KeyframeScores:
    """How a keyframe compares with the truth of its frame."""

    #: None where no depth is known
    depth: DepthScores | None = None
    #: (C, C) counts of (true class, label); None where no label is known
    confusion: np.ndarray | None = None


def score_keyframe(view: KeyframeView, truth: GroundTruth | None, scale: float,
                   class_count: int) -> KeyframeScores:
    """Of a keyframe whose depth is multiplied by ``scale``; pixels without a label of either kind
    are left out, and all labels where the true ones are not of ``class_count`` classes."""
    if truth is None:
        return KeyframeScores()
    depth = None if truth.depth is None else keyframe_depth_scores(
        view.depth, view.depth_confidence, truth.depth.cpu().numpy(), scale)
    counts = None
    if truth.labels is not None and len(truth.classes or range(class_count)) == class_count:
        labels = torch.from_numpy(view.labels)
        true = torch.where(labels == VOID, VOID, truth.labels.cpu())
        if bool((true != VOID).any()):
            confusion = Confusion(class_count)
            confusion.add(labels, true)
            counts = confusion.counts.to(torch.int32).numpy()
    return KeyframeScores(depth=depth, confusion=counts)


def pooled_scores(keyframes: Iterable[KeyframeScores], class_count: int) -> dict[str, float]:
    """Scores of all keyframes together; see ``evaluate_maps``."""
    keyframes = list(keyframes)
    scores: dict[str, float] = {}
    depth = [keyframe.depth for keyframe in keyframes if keyframe.depth is not None]
    if depth:
        confident = float(np.mean([d.confident for d in depth]))
        scores.update(depth_within_10=float(np.mean([d.within for d in depth])),
                      depth_within_10_metric=float(np.mean([d.within_metric for d in depth])),
                      abs_rel=float(np.mean([d.abs_rel for d in depth])),
                      depth_confident_share=confident)
        if confident > 0:
            scores["depth_confident_within_10"] = \
                float(np.mean([d.confident_within for d in depth])) / confident
    counts = [keyframe.confusion for keyframe in keyframes if keyframe.confusion is not None]
    if counts:
        confusion = Confusion(class_count)
        confusion.counts += torch.from_numpy(np.sum(counts, 0))
        scores["miou"] = confusion.scores()["miou"]
    return scores


def evaluate_maps(keyframes: Sequence[KeyframeView], truths: Sequence[GroundTruth | None],
                  scale: float, class_count: int) -> dict[str, float]:
    """Scores of keyframes against the truth of their frames, where there is truth.

    ``scale`` multiplies every estimated depth: the one global scale of the trajectory's
    alignment, never a scale per image.

    * ``depth_within_10``: fraction of pixels with known depth that are within 10 % of it,
      mean over keyframes.
    * ``depth_within_10_metric``: the same at the map's own scale, which is the network's where
      the path gives none.
    * ``depth_confident_share``: fraction of pixels whose ``depth_confidence`` is above
      ``CONFIDENT``, mean over keyframes; ``depth_confident_within_10``: fraction of these that
      are within 10 %, absent without any.
    * ``abs_rel``: mean of |depth - truth| / truth, mean over keyframes.
    * ``miou``: mean intersection over union of the classes that occur, all keyframes pooled;
      pixels without a label of either kind are left out.

    Keys whose truth is unknown for every keyframe are absent.
    """
    return pooled_scores([score_keyframe(view, truth, scale, class_count)
                          for view, truth in zip(keyframes, truths, strict=True)], class_count)


def keyframe_depth_scores(depth: np.ndarray, confidence: np.ndarray, truth: np.ndarray,
                          scale: float) -> DepthScores | None:
    """Scores of one depth map (H, W) in metres of the map, of which ``scale`` true ones are one,
    with its confidence (H, W), where ``truth`` (H, W) is above 0; None when it nowhere is."""
    known = truth > 0
    if not known.any():
        return None
    true, ours = truth[known], depth[known].astype(np.float64)
    confident = confidence[known] > CONFIDENT
    error = np.abs(scale * ours - true) / true
    right = error <= RIGHT_WITHIN
    return DepthScores(within=float(right.mean()),
                       within_metric=float((np.abs(ours - true) <= RIGHT_WITHIN * true).mean()),
                       abs_rel=float(error.mean()), confident=float(confident.mean()),
                       confident_within=float((confident & right).mean()))
