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
    View,
    code_prior,
    geometric,
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
    return warp(VIEWS.pixels.of(A), codes[A], T_ba, CAMERA, border=0.0)


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
        prob = torch.softmax(logits.flatten(1, 2), -1)[A]
        J = VIEWS.label_maps.logits_J_code.flatten(1, 2).unflatten(-1, (prob.shape[-1], KS))
        return semantic(prob, softmax_chain(prob, J[A]), VIEWS.label_maps, logits, B, w,
                        with_geometry)
    if kind == "reprojection":
        return reprojection(OBSERVED, w)
    return point_depth(log_depth, VIEWS.pixels, depth)


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

    analytic = evaluate(kind).jacobians.get(block)
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
    assert set(alone.jacobians) == {SEMANTIC_A, SEMANTIC_B}
    torch.testing.assert_close(alone.value, full.value)
    torch.testing.assert_close(alone.jacobians[SEMANTIC_B], full.jacobians[SEMANTIC_B])


@pytest.mark.parametrize("kind, by_depth", [("geometric", "depth"), ("reprojection", "point")])
def test_warp_by_pose_and_depth(kind, by_depth):
    w = correspond(kind, STATES, LOG_DEPTH)
    pose_a, pose_b, depth = w.chain(w.pixel_J_x)

    def pixels(states=STATES, log_depth=LOG_DEPTH):
        return correspond(kind, states, log_depth).pixels[0]

    a, b = STATES
    assert_jacobian(lambda s: pixels((moved(a, Group.POSE, s), b)), pose_a[0])
    assert_jacobian(lambda s: pixels((a, moved(b, Group.POSE, s))), pose_b[0])
    if by_depth == "depth":
        assert_jacobian(lambda s: pixels((moved(a, Group.DEPTH_CODE, s), b)), depth[0])
    else:
        assert_jacobian(lambda s: pixels(log_depth=LOG_DEPTH + s), depth[0])


def test_points_at_the_codes_depth_are_warped_as_pixels_are():
    w = correspond("geometric", STATES, LOG_DEPTH)
    points = correspond("reprojection", STATES, w.x_a[..., 2].log())
    torch.testing.assert_close(points.pixels, w.pixels)


def test_prior_derivative():
    codes = torch.randn(3, 4, dtype=torch.float64)
    _, jacobian = code_prior(codes, 0.5)
    for view in range(3):
        assert_jacobian(lambda s, view=view: code_prior(codes + s, 0.5)[0][view], jacobian[view])
