"""Pose graphs: exact derivatives, a drifted ring that closes, and a false loop."""

from dataclasses import replace

import pytest
import torch
from support.difference import assert_jacobian

from scenecode.optim.geometry import se3
from scenecode.optim.residuals import POSE_A, POSE_B
from scenecode.optim.solvers.gauss_newton import GaussNewtonConfig
from scenecode.optim.solvers.pose_graph import (
    Edges,
    Nodes,
    optimise,
    relative_pose,
    retract,
    robust_weight,
)

CONFIG = GaussNewtonConfig(iterations=30, tolerance=1e-6)
SIGMA = (0.02, 0.02, 0.02, 0.01, 0.01, 0.01, 0.02)


def edges_of(nodes, pairs, cauchy=torch.inf):
    """The relative poses of the nodes themselves."""
    a, b = torch.tensor(pairs).T
    T = se3.inverse(nodes.poses[a]) @ nodes.poses[b]
    T[:, :3, 3] *= torch.exp(-nodes.log_scales[a])[:, None]
    sigma = torch.tensor(SIGMA, dtype=torch.float64).expand(len(a), -1)
    return Edges(a=a, b=b, T_ab=T, log_scale=nodes.log_scales[b] - nodes.log_scales[a],
                 sigma=sigma, cauchy=torch.full((len(a),), cauchy, dtype=torch.float64))


def joined(first, second):
    return Edges(**{name: torch.cat([getattr(first, name), getattr(second, name)])
                    for name in Edges.__dataclass_fields__})


def ring(count=24, radius=1.0):
    """Nodes around a circle, looking outwards, all of one scale."""
    angle = torch.linspace(0, 2 * torch.pi, count + 1, dtype=torch.float64)[:-1]
    xi = torch.zeros(count, 6, dtype=torch.float64)
    xi[:, 4] = angle
    T = se3.exp(xi)
    T[:, :3, 3] = radius * torch.stack([angle.sin(), 0 * angle, angle.cos() - 1], 1)
    return Nodes(T, torch.zeros(count, dtype=torch.float64))


def drifted(truth, turn=0.01, stretch=0.015):
    """The chain of the true steps, each turned and rescaled a little the same way, with noise;
    and its edges."""
    g = torch.Generator().manual_seed(2)
    poses, scales = [truth.poses[0]], [torch.zeros((), dtype=torch.float64)]
    for n in range(1, len(truth)):
        step = se3.inverse(truth.poses[n - 1]) @ truth.poses[n]
        noise = 0.003 * torch.randn(6, generator=g, dtype=torch.float64)
        noise[4] += turn
        step = se3.retract(step, noise)
        step[:3, 3] *= scales[-1].exp()
        poses.append(poses[-1] @ step)
        scales.append(scales[-1] + stretch)
    nodes = Nodes(torch.stack(poses), torch.stack(scales))
    pairs = [(n, m) for n in range(len(truth)) for m in (n + 1, n + 2) if m < len(truth)]
    return nodes, edges_of(nodes, pairs)


def position_error(nodes, truth):
    return float((nodes.poses - truth.poses)[:, :3, 3].norm(dim=1).square().mean().sqrt())


@pytest.mark.parametrize("end, block", [("a", POSE_A), ("b", POSE_B)])
def test_derivatives(end, block):
    g = torch.Generator().manual_seed(1)
    xi = torch.randn(3, 6, generator=g, dtype=torch.float64)
    nodes = Nodes(se3.exp(xi), 0.3 * torch.randn(3, generator=g, dtype=torch.float64))
    edges = edges_of(Nodes(se3.exp(xi + 0.4), nodes.log_scales + 0.1), [(0, 1), (1, 2), (2, 1)])

    def moved(step):
        """Each edge's own end moves, whatever else hangs there."""
        values = []
        for e in range(len(edges.a)):
            n = getattr(edges, end)[e]
            poses, scales = nodes.poses.clone(), nodes.log_scales.clone()
            poses[n] = se3.retract(poses[n], step[:6])
            scales[n] += step[6]
            values.append(relative_pose(Nodes(poses, scales), edges).value[e, 0])
        return torch.stack(values)

    assert_jacobian(moved, relative_pose(nodes, edges).jacobians[block][:, 0])


def test_nodes_without_residuals_stay():
    nodes, edges = drifted(ring())
    found = optimise(nodes, edges, CONFIG)
    assert found.cost < 1e-20
    torch.testing.assert_close(found.state.poses, nodes.poses)


def test_first_node_is_fixed():
    nodes = ring(3)
    moved = retract(nodes, torch.arange(14.0) / 50)
    assert torch.equal(moved.poses[0], nodes.poses[0]) and moved.log_scales[0] == 0
    assert moved.log_scales[2] == pytest.approx(13 / 50)


def test_one_true_loop_removes_the_drift_of_a_ring():
    truth = ring()
    nodes, chain = drifted(truth)
    before = position_error(nodes, truth)
    loop = edges_of(truth, [(0, len(truth) - 1)], cauchy=10.0)
    found = optimise(nodes, joined(chain, loop), CONFIG).state
    assert before > 0.25
    assert position_error(found, truth) < 0.25 * before
    assert float(found.log_scales.abs().max()) < 0.5 * float(nodes.log_scales.abs().max())
    assert robust_weight(found, loop)[0] > 0.6


def test_one_false_loop_does_little_and_loses_its_weight():
    truth = ring()
    chain = edges_of(truth, [(n, m) for n in range(24) for m in (n + 1, n + 2) if m < 24])
    false = edges_of(truth, [(0, 12)], cauchy=3.0)
    T = false.T_ab.clone()
    T[0, :3, 3] -= torch.tensor([1.0, 0.5, -1.0])
    false = replace(false, T_ab=T)
    found = optimise(truth, joined(chain, false), CONFIG).state
    assert position_error(found, truth) < 0.05
    assert robust_weight(found, false)[0] < 0.1
