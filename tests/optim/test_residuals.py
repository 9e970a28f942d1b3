"""Every derivative of every residual by every parameter group, by central differences."""

import pytest
import torch
from difference import assert_jacobian
from views import KD, KS, coded_view, view_state

from optim import image
from optim.residuals import code_prior, geometric, photometric, semantic
from optim.warp import warp


SIZES = {"pose": 6, "depth": KD, "semantic": KS}
A, B = coded_view(1), coded_view(2)
STATE_A, STATE_B = view_state(1), view_state(2)


def moved(state, group, step):
    zeros = {name: torch.zeros(size, dtype=torch.float64) for name, size in SIZES.items()}
    zeros[group] = step
    return state.retract(zeros["pose"], zeros["depth"], zeros["semantic"])


def evaluate(kind, state_a, state_b):
    w = warp(A, state_a, B, state_b, border=0.0)
    if kind == "photometric":
        return photometric(A, B, w, gain=1.1, offset=-0.02)
    if kind == "geometric":
        return geometric(B, state_b, w)
    if kind == "logarithmic":
        return geometric(B, state_b, w, logarithmic=True)
    return semantic(A, state_a, B, state_b, w, with_geometry=True)


@pytest.mark.parametrize("kind", ["photometric", "geometric", "logarithmic", "semantic"])
@pytest.mark.parametrize("group", ["pose_a", "pose_b", "depth_a", "depth_b",
                                   "semantic_a", "semantic_b"])
def test_residual_derivatives(kind, group):
    w = warp(A, STATE_A, B, STATE_B, border=0.0)
    assert w.valid.float().mean() > 0.5
    keep = w.valid
    name, which = group.split("_")

    def value(step):
        state_a = moved(STATE_A, name, step) if which == "a" else STATE_A
        state_b = moved(STATE_B, name, step) if which == "b" else STATE_B
        return evaluate(kind, state_a, state_b).value[keep]

    reported = evaluate(kind, STATE_A, STATE_B)
    analytic = reported.jacobians.get(group)
    if analytic is None:  # no derivative is a claim too
        shape = (*reported.value[keep].shape, SIZES[name])
        base = value(torch.zeros(SIZES[name], dtype=torch.float64))
        step = 0.1 * torch.ones(SIZES[name], dtype=torch.float64)
        torch.testing.assert_close(value(step), base, atol=0, rtol=0)
        assert shape[-1] == SIZES[name]
        return
    assert_jacobian(value, analytic[keep])


def test_semantic_stage_leaves_geometry_out():
    w = warp(A, STATE_A, B, STATE_B, border=0.0)
    alone = semantic(A, STATE_A, B, STATE_B, w, with_geometry=False)
    full = semantic(A, STATE_A, B, STATE_B, w, with_geometry=True)
    assert set(alone.jacobians) == {"semantic_a", "semantic_b"}
    torch.testing.assert_close(alone.value, full.value)
    torch.testing.assert_close(alone.jacobians["semantic_b"], full.jacobians["semantic_b"])


def test_warp_by_pose_and_code():
    def pixels(state_a, state_b):
        return warp(A, state_a, B, state_b, 0.0).pixels

    w = warp(A, STATE_A, B, STATE_B, 0.0)
    pose_a, pose_b, depth_a = w.chain(w.pixel_J_x)
    assert_jacobian(lambda s: pixels(moved(STATE_A, "pose", s), STATE_B), pose_a)
    assert_jacobian(lambda s: pixels(STATE_A, moved(STATE_B, "pose", s)), pose_b)
    assert_jacobian(lambda s: pixels(moved(STATE_A, "depth", s), STATE_B), depth_a)


def test_prior_derivative():
    code = torch.randn(4, dtype=torch.float64)
    _, jacobian = code_prior(code, 0.5)
    assert_jacobian(lambda s: code_prior(code + s, 0.5)[0], jacobian)


def test_sampling_gradient_is_the_interpolants_own():
    maps = torch.rand(7, 9, 2, dtype=torch.float64)
    pixels = torch.rand(40, 2, dtype=torch.float64) * torch.tensor([8.0, 6.0])
    _, gradient = image.sample_with_gradient(maps, pixels)
    assert_jacobian(lambda s: image.sample(maps, pixels + s), gradient)


def test_sampling_at_pixel_centres_returns_the_pixels():
    maps = torch.rand(5, 6, 1)
    v, u = torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij")
    pixels = torch.stack([u, v], -1).reshape(-1, 2)
    torch.testing.assert_close(image.sample(maps, pixels).reshape(5, 6, 1), maps)
