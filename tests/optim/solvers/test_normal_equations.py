"""Residuals are summed at their columns, and points are eliminated exactly."""

import gc
import weakref

import torch

from scenecode.optim.solvers.normal_equations import NormalEquations

G = torch.Generator().manual_seed(4)


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=G)


def test_blocks_are_added_at_their_columns_and_fixed_ones_nowhere():
    J, r, w = random(2, 9, 3), random(2, 9), torch.rand(2, 9, generator=G).double()
    columns = torch.tensor([[5, 1, 7], [1, -1, 0]])
    equations = NormalEquations(8)
    equations.add_groups(columns, J, r, w, 1.5)
    dense = torch.zeros(2, 9, 8, dtype=torch.float64)
    dense[0][:, [5, 1, 7]] = J[0]
    dense[1][:, [1, 0]] = J[1][:, [0, 2]]
    dense, r, w = dense.flatten(0, 1), r.flatten(), w.flatten()
    torch.testing.assert_close(equations.H, dense.T @ (w[:, None] * dense))
    torch.testing.assert_close(equations.g, dense.T @ (w * r))
    assert equations.cost == 1.5


def test_a_parameter_twice_in_one_group_counts_twice():
    equations = NormalEquations(1)
    equations.add_groups(torch.tensor([[0, 0]]), torch.ones(1, 1, 2), torch.ones(1, 1),
                  torch.ones(1, 1), 0.0)
    assert float(equations.H) == 4 and float(equations.g) == 2


def test_eliminated_points_give_the_step_of_the_whole_system():
    """Five parameters, four points; each residual depends on one point."""
    J, r, w = random(2, 12, 3), random(2, 12), 0.1 + torch.rand(2, 12, generator=G).double()
    columns = torch.tensor([[0, 1, 2], [2, 3, 4]])
    index = torch.arange(12).remainder(4).expand(2, -1)
    by_point = random(2, 12)
    equations = NormalEquations(5, points=4)
    equations.add_groups(columns, J, r, w, 0.0, (index, by_point))
    dense = torch.zeros(2, 12, 9, dtype=torch.float64)
    for n in range(2):
        dense[n][:, columns[n]] = J[n]
    dense.scatter_(2, 5 + index[..., None], by_point[..., None])
    dense, r, w = dense.flatten(0, 1), r.flatten(), w.flatten()
    H = dense.T @ (w[:, None] * dense)
    for damping in (0.0, 0.3):
        whole = H + damping * torch.diag(H.diagonal())
        expected = -torch.linalg.solve(whole, dense.T @ (w * r))
        torch.testing.assert_close(equations.solve_damped(damping), expected, rtol=1e-6,
                                   atol=1e-9)


def test_problem_of_points_alone_is_solved():
    equations = NormalEquations(0, points=2)
    equations.add_groups(torch.zeros(1, 0, dtype=torch.long), torch.zeros(1, 2, 0),
                         torch.ones(1, 2),
                  torch.ones(1, 2), 1.0, (torch.tensor([[0, 1]]), torch.tensor([[1.0, 2.0]])))
    torch.testing.assert_close(equations.solve_damped(0.0),
                               torch.tensor([-1.0, -0.5], dtype=torch.float64))


def test_equations_that_were_never_needed_go_with_their_last_user():
    """They hold a window's images, and a cycle of references would keep these for a while."""
    gc.disable()
    try:
        equations = NormalEquations(1)
        equations.add_later(lambda sums: sums.add_sums(torch.zeros(1, 1, dtype=torch.long),
                                                       torch.ones(1, 1, 1)), 2.0)
        left = weakref.ref(equations)
        assert equations.cost == 2.0
        del equations
        assert left() is None
    finally:
        gc.enable()


def test_residuals_that_were_announced_count_in_the_equations():
    equations = NormalEquations(1)
    equations.add_later(lambda sums: sums.add_sums(torch.zeros(1, 1, dtype=torch.long),
                                                   torch.full((1, 1, 1), 3.0)), 0.0)
    assert equations.H.item() == 3.0
    assert equations.H.item() == 3.0
