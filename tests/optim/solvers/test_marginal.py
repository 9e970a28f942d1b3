"""Marginalisation against the problem that still has the parameters."""

import torch
from support.difference import assert_jacobian

from scenecode.optim.geometry import se3
from scenecode.optim.solvers.marginal import eliminate, pose_moved
from scenecode.optim.solvers.normal_equations import NormalEquations

DOUBLE = torch.float64


def quadratic(size, points, rows=60, seed=0):
    """Random residuals of ``size`` parameters, each row with one of so many points, and them."""
    g = torch.Generator().manual_seed(seed)
    J = torch.randn(1, rows, size, generator=g, dtype=DOUBLE)
    r = torch.randn(1, rows, generator=g, dtype=DOUBLE)
    equations = NormalEquations(size, points=points)
    index = torch.arange(rows).reshape(1, -1) % max(points, 1)
    by_point = torch.randn(1, rows, generator=g, dtype=DOUBLE)
    equations.add_groups(torch.arange(size)[None], J, r, torch.ones_like(r),
                         0.5 * float(r.square().sum()), (index, by_point) if points else None)
    scattered = torch.zeros(rows, points, dtype=DOUBLE)
    if points:
        scattered[torch.arange(rows), index[0]] = by_point[0]
    return equations, torch.cat([J[0], scattered], 1), r[0]


def best_cost(J, r, fixed, x):
    """The cost with the ``fixed`` columns moved by x and all others at their best."""
    there = r + J[:, fixed] @ x
    free = J[:, [n for n in range(J.shape[1]) if n not in fixed]]
    step = torch.linalg.lstsq(free, -there[:, None]).solution[:, 0]
    return 0.5 * float((there + free @ step).square().sum())


def test_cost_of_the_remainder_is_that_of_the_whole_problem():
    """Up to a constant: the cost that no parameter can lower."""
    equations, J, r = quadratic(9, points=5)
    gone, stays = torch.tensor([0, 2, 5, 7]), torch.tensor([8, 1, 3, 4, 6])
    remainder = eliminate(equations, gone, stays)
    costs = []
    for seed in range(4):
        x = torch.randn(5, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)
        costs.append(best_cost(J, r, stays.tolist(), x)
                     - 0.5 * float(remainder.at(x).square().sum()))
    assert max(costs) - min(costs) < 1e-6 and costs[0] >= 0


def test_minimum_is_that_of_the_whole_problem():
    equations, J, r = quadratic(6, points=0)
    whole = torch.linalg.lstsq(J, -r[:, None]).solution[:, 0]
    remainder = eliminate(equations, torch.tensor([0, 1]), torch.arange(2, 6))
    alone = torch.linalg.lstsq(remainder.jacobian, -remainder.value[:, None]).solution[:, 0]
    assert torch.allclose(alone, whole[2:], atol=1e-6)


def test_unobserved_directions_stay_unobserved():
    """Only differences of neighbours were observed: eliminating the first adds no information."""
    equations = NormalEquations(3)
    J = torch.tensor([[[-1.0, 1.0, 0.0]]], dtype=DOUBLE)
    equations.add_groups(torch.arange(3)[None], J, torch.ones(1, 1, dtype=DOUBLE),
                         torch.ones(1, 1, dtype=DOUBLE), 0.5)
    remainder = eliminate(equations, torch.tensor([0]), torch.tensor([1, 2]))
    assert 0.5 * remainder.at(torch.tensor([5.0, -2.0], dtype=DOUBLE)).square().sum() < 1e-6


def test_what_only_points_of_one_observation_saw_is_no_information():
    """Each such point takes up its residual; what is left is round-off of either sign."""
    for seed in range(5):
        equations, _, _ = quadratic(6, points=60, seed=seed)
        remainder = eliminate(equations, torch.arange(4), torch.tensor([4, 5]))
        assert remainder.at(torch.tensor([5.0, -2.0], dtype=DOUBLE)).square().sum() < 1e-6


def test_pose_moved_returns_its_derivative():
    g = torch.Generator().manual_seed(1)
    T_from, T = (se3.exp(torch.randn(6, generator=g, dtype=DOUBLE)) for _ in range(2))
    value, jacobian = pose_moved(T_from, T)
    assert torch.allclose(value[:3], (se3.inverse(T_from) @ T)[:3, 3])
    assert_jacobian(lambda xi: pose_moved(T_from, se3.retract(T, xi))[0], jacobian)


def test_a_pose_that_has_not_moved_is_at_zero():
    T = se3.exp(torch.tensor([0.3, -0.2, 1.0, 0.1, 0.2, -0.4], dtype=DOUBLE))
    value, jacobian = pose_moved(T, T)
    assert value.abs().max() < 1e-12
    assert torch.allclose(jacobian, torch.eye(6, dtype=DOUBLE), atol=1e-9)
