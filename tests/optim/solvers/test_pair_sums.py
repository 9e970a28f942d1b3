"""Sums from the factors of Jacobians are those of the whole Jacobians."""

import pytest
import torch

from scenecode.optim.residuals import (
    DEPTH_B,
    POSE_B,
    SEMANTIC_A,
    SEMANTIC_B,
    Group,
    Jacobian,
    Motion,
    PairResidual,
)
from scenecode.optim.solvers.normal_equations import NormalEquations
from scenecode.optim.solvers.pair_sums import PairPixels, add_pairs

P, V, N, KD, KS = 5, 3, 7, 4, 2
A, B = torch.tensor([0, 2, 1, 2, 0]), torch.tensor([1, 0, 2, 1, 2])
#: Of the views' poses, the first of which is fixed, depth codes and semantic codes.
SIZE = 12 + V * (KD + KS)
COLUMNS = {Group.POSE: torch.cat([torch.full((1, 6), -1), torch.arange(12).view(2, 6)]),
           Group.DEPTH_CODE: 12 + torch.arange(V * KD).view(V, KD),
           Group.SEMANTIC_CODE: 12 + V * KD + torch.arange(V * KS).view(V, KS)}
G = torch.Generator().manual_seed(3)


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=G)


def jacobian_of(kind, R):
    """Of all pairs: what each kind of residual depends on."""
    motion = None if kind == "labels" else Motion(
        by_motion=random(P, N, R, 6), motion_J_poses=random(P, 6, 12), by_depth=random(P, N, R))
    blocks = {"image": {}, "surface": {DEPTH_B: random(P, N, R, KD)}}.get(
        kind, {SEMANTIC_B: random(P, N, R, KS)})
    of_views = {SEMANTIC_A: random(V, N, R, KS)} if SEMANTIC_B in blocks else {}
    return Jacobian(motion=motion, blocks=blocks, of_views=of_views)


def part_of(whole, pairs):
    motion = whole.motion and Motion(by_motion=whole.motion.by_motion[pairs],
                                     motion_J_poses=whole.motion.motion_J_poses[pairs],
                                     by_depth=whole.motion.by_depth[pairs])
    return Jacobian(motion=motion, of_views=whole.of_views,
                    blocks={block: J[pairs].clone() for block, J in whole.blocks.items()})


def dense(whole, prox_J_code, R):
    """(P, N * R, SIZE + 1), fixed parameters last."""
    J = torch.zeros(P, N * R, SIZE + 1, dtype=torch.float64)
    for p, (a, b) in enumerate(zip(A.tolist(), B.tolist())):
        if whole.motion is not None:
            by_poses = whole.motion.by_poses()[p]
            J[p][:, COLUMNS[Group.POSE][a]] += by_poses[:, :6]
            J[p][:, COLUMNS[Group.POSE][b]] += by_poses[:, 6:]
            by_code = whole.motion.by_depth[p][..., None] * prox_J_code[a][:, None]
            J[p][:, COLUMNS[Group.DEPTH_CODE][a]] += by_code.flatten(0, 1)
        for block, of_pairs in whole.blocks.items():
            J[p][:, COLUMNS[block.group][b if block.view is POSE_B.view else a]] \
                += of_pairs[p].flatten(0, 1)
        for block, of_views in whole.of_views.items():
            J[p][:, COLUMNS[block.group][a]] += of_views[a].flatten(0, 1)
    return J


@pytest.mark.parametrize("together", [1, 2, P])
@pytest.mark.parametrize("kind, R", [("image", 1), ("surface", 1), ("labels", 3), ("all", 3)])
def test_sums_are_those_of_the_whole_jacobian(kind, R, together, monkeypatch):
    whole, value = jacobian_of(kind, R), random(P, N, R)
    weight = torch.rand(P, N, generator=G, dtype=torch.float64)
    prox_J_code = random(V, N, KD)
    monkeypatch.setattr("scenecode.optim.solvers.pair_sums._CACHED", together * N * R)
    equations = NormalEquations(SIZE)
    residual = PairResidual(value=value, jacobian=lambda pairs: part_of(whole, pairs), width=1)
    add_pairs(equations, residual, weight, PairPixels.of(A, B, prox_J_code), COLUMNS)
    J = dense(whole, prox_J_code, R)[..., :-1]
    weighted = J * weight.repeat_interleave(R, 1)[..., None]
    torch.testing.assert_close(equations.H, (weighted.mT @ J).sum(0))
    torch.testing.assert_close(equations.g, (weighted.mT @ value.view(P, N * R, 1)).sum(0)[:, 0])
