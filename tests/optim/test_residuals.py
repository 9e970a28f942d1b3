"""Every derivative of every residual by every parameter group, by central differences."""

from dataclasses import replace

import pytest
import torch
from support.difference import assert_jacobian
from support.views import CAMERA, KD, KS, coded_views, view_state

from scenecode.optim.geometry import se3
from scenecode.optim.imaging.lookup import sample_views_with_gradient
from scenecode.optim.residuals import (
    DEPTH_A,
    DEPTH_B,
    POINT_A,
    POSE_A,
    POSE_B,
    SEMANTIC_A,
    SEMANTIC_B,
    Group,
    PixelLabels,
    View,
    code_prior,
    geometric,
    label_change,
    label_cross_entropy,
    photometric,
    point_depth,
    reprojection,
    semantic,
    softmax_chain,
)
from scenecode.optim.warp import warp, warp_points

#: Pixels of the first view are looked up in the second, and the other way round.
A, B = torch.tensor([0, 1]), torch.tensor([1, 0])
VIEWS = coded_views(1, 2)
STATES = (view_state(1), view_state(2))
N = VIEWS.pixels.rays.shape[1]
LOG_DEPTH = torch.log(torch.linspace(1.5, 3, 2 * N, dtype=torch.float64)).view(2, N)
OBSERVED = CAMERA.pixel_grid(torch.float64).flip(0).expand(2, -1, -1)
SIZES = {Group.POSE: 6, Group.DEPTH_CODE: KD, Group.SEMANTIC_CODE: KS, Group.POINT: N}
BLOCKS = (POSE_A, POSE_B, DEPTH_A, DEPTH_B, SEMANTIC_A, SEMANTIC_B, POINT_A)
#: What the depth of A's pixels is a function of.
DEPTH_OF = {"photometric": (DEPTH_A,), "geometric": (DEPTH_A,), "semantic": (DEPTH_A,),
            "reprojection": (POINT_A,), "point_depth": (DEPTH_A, POINT_A)}
KINDS = ("photometric", "geometric", "semantic", "reprojection", "point_depth")


def moved(state, group, step):
    if group is Group.POSE:
        return replace(state, T_world_cam=se3.retract(state.T_world_cam, step))
    name = {Group.DEPTH_CODE: "code_depth", Group.SEMANTIC_CODE: "code_semantic"}[group]
    return replace(state, **{name: getattr(state, name) + step})


def correspond(kind, states, log_depth):
    T = torch.stack([s.T_world_cam for s in states])
    T_ba = se3.inverse(T[B]) @ T[A]
    if kind in ("reprojection", "point_depth"):
        return warp_points(VIEWS.pixels.rays[A], log_depth, T_ba, CAMERA)
    codes = torch.stack([s.code_depth for s in states])
    return warp(VIEWS.pixels, codes, A, T_ba, CAMERA, border=0.0)


def evaluate(kind, states=STATES, log_depth=LOG_DEPTH, with_geometry=True):
    w = correspond(kind, states, log_depth)
    depth = torch.stack([s.code_depth for s in states])
    if kind == "photometric":
        seen, seen_J = sample_views_with_gradient(VIEWS.pictures, B, w.pixels)
        gain = torch.tensor([[1.1], [0.9]], dtype=torch.float64)
        return photometric(VIEWS.pictures.flatten(1)[A], seen, seen_J, w, gain, gain - 1)
    if kind == "geometric":
        return geometric(VIEWS.depth_maps, depth, B, w)
    if kind == "semantic":
        logits = VIEWS.label_maps.logits(torch.stack([s.code_semantic for s in states]))
        prob = torch.softmax(logits.flatten(1, 2), -1)
        J = VIEWS.label_maps.logits_J_code.flatten(1, 2).unflatten(-1, (prob.shape[-1], KS))
        labels = PixelLabels(prob=prob, prob_J_code=softmax_chain(prob, J))
        return semantic(labels, VIEWS.label_maps, logits, A, B, w, with_geometry)
    if kind == "reprojection":
        return reprojection(OBSERVED, w)
    return point_depth(log_depth, VIEWS.pixels, depth)


def derivatives(residual):
    """All of the Jacobian of pairs (P, N, R, size) by block."""
    jacobian = residual.jacobian(slice(None))
    found = jacobian.blocks | {block: J[A] for block, J in jacobian.of_views.items()}
    if jacobian.motion is not None:
        P, N, R = residual.value.shape
        by_poses = jacobian.motion.by_poses().view(P, N, R, 12)
        by_depth = jacobian.motion.by_depth[..., None]
        found |= {POSE_A: by_poses[..., :6], POSE_B: by_poses[..., 6:], POINT_A: by_depth,
                  DEPTH_A: by_depth * VIEWS.pixels.prox_J_code[A][:, :, None]}
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: f"{b.group.name}-{b.view.name}")
def test_residual_derivatives(kind, block):
    """Of the first pair, by everything that the first or the second view has."""
    keep = correspond(kind, STATES, LOG_DEPTH).valid[0]
    assert keep.float().mean() > 0.5

    def value(step):
        if block is POINT_A:
            return evaluate(kind, log_depth=LOG_DEPTH + step).value[0, keep]
        number = 0 if block.view is View.A else 1
        states = [moved(s, block.group, step) if i == number else s for i, s in enumerate(STATES)]
        return evaluate(kind, states).value[0, keep]

    analytic = derivatives(evaluate(kind)).get(block) \
        if block not in (DEPTH_A, POINT_A) or block in DEPTH_OF[kind] else None
    if analytic is None:  # no derivative is a claim too
        step = 0.1 * torch.ones(SIZES[block.group], dtype=torch.float64)
        torch.testing.assert_close(value(step), value(0 * step), atol=0, rtol=0)
        return
    analytic = analytic[0, keep]
    if block is POINT_A:  # each residual has a point of its own
        analytic = torch.einsum("mrk,mn->mrn", analytic, torch.eye(N).double()[keep])
    assert_jacobian(value, analytic)


def test_a_batch_of_pairs_gives_what_each_pair_gives():
    alone = evaluate("geometric", STATES[::-1])  # the second pair, by its own numbers
    swapped = replace(VIEWS.depth_maps, **{name: getattr(VIEWS.depth_maps, name).flip(0)
                                           for name in ("prox_zero", "prox_J_code")})
    w = correspond("geometric", STATES, LOG_DEPTH)
    depth = torch.stack([s.code_depth for s in STATES])
    again = geometric(swapped, depth.flip(0), 1 - B, w)
    torch.testing.assert_close(evaluate("geometric").value, again.value)
    assert not torch.allclose(alone.value, again.value)


def test_semantic_stage_leaves_geometry_out():
    alone, full = (evaluate("semantic", with_geometry=flag) for flag in (False, True))
    assert set(derivatives(alone)) == {SEMANTIC_A, SEMANTIC_B}
    torch.testing.assert_close(alone.value, full.value)
    torch.testing.assert_close(derivatives(alone)[SEMANTIC_B], derivatives(full)[SEMANTIC_B])


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_some_pairs_are_those_of_all(kind):
    whole, part = (evaluate(kind).jacobian(pairs) for pairs in (slice(None), slice(1, 2)))
    for block, J in whole.blocks.items():
        torch.testing.assert_close(part.blocks[block], J[1:])
    if whole.motion is not None:
        torch.testing.assert_close(part.motion.by_poses(), whole.motion.by_poses()[1:])
        torch.testing.assert_close(part.motion.by_depth, whole.motion.by_depth[1:])


def test_points_at_the_codes_depth_are_warped_as_pixels_are():
    w = correspond("geometric", STATES, LOG_DEPTH)
    z_a = (se3.act(se3.inverse(w.T_ba), w.x_b))[..., 2]
    points = correspond("reprojection", STATES, z_a.log())
    torch.testing.assert_close(points.pixels, w.pixels)


def test_prior_derivative():
    codes = torch.randn(3, 4, dtype=torch.float64)
    _, jacobian = code_prior(codes, 0.5)
    for view in range(3):
        assert_jacobian(lambda s, view=view: code_prior(codes + s, 0.5)[0][view], jacobian[view])


@pytest.mark.parametrize("label", range(3))
def test_a_known_label_is_its_cross_entropy_with_its_derivative(label):
    generator = torch.Generator().manual_seed(3)
    zero, J = (torch.randn(20, 3, *shape, generator=generator, dtype=torch.float64)
               for shape in ((), (5,)))
    value, jacobian = label_cross_entropy(3 * zero, J, label)
    torch.testing.assert_close(0.5 * value.square(), torch.nn.functional.cross_entropy(
        3 * zero, torch.full((20,), label), reduction="none"))
    assert_jacobian(lambda step: label_cross_entropy(3 * zero + J @ step, J, label)[0], jacobian)


def test_a_label_that_is_certain_pulls_no_more():
    value, jacobian = label_cross_entropy(torch.tensor([[90.0, 0, 0]]), torch.ones(1, 3, 2), 0)
    assert value.isfinite().all() and value < 1e-3 and jacobian.abs().max() < 1e-9


def test_a_change_of_labels_is_their_divergence_with_its_derivative():
    generator = torch.Generator().manual_seed(4)
    zero, J = (torch.randn(20, 3, *shape, generator=generator, dtype=torch.float64)
               for shape in ((), (5,)))
    step = 1e-3 * torch.randn(5, generator=generator, dtype=torch.float64)
    before, after = torch.softmax(zero, -1), torch.softmax(zero + J @ step, -1)
    value, jacobian = label_change(zero + J @ step, J, before)
    divergence = (before * (before / after).log()).sum(1)
    torch.testing.assert_close(0.5 * value.square().sum(1), divergence, rtol=1e-2, atol=0)
    assert_jacobian(lambda more: label_change(zero + J @ (step + more), J, before)[0], jacobian)
    at_rest, _ = label_change(zero, J, before)
    assert at_rest.abs().max() < 1e-12
