"""The sparse system has the steps of the dense one."""

import torch

from scenecode.optim.solvers.sparse_points import SparsePointEquations, SparseSums

G = torch.Generator().manual_seed(4)


def test_blocks_are_summed_and_those_of_fixed_parameters_left_out():
    sums = SparseSums(3, 4)
    blocks = torch.arange(8.0).double().view(2, 2, 2)
    sums.add(torch.tensor([[0, 1], [1, -1]]), torch.tensor([[0, 3], [0, 1]]), blocks)
    expected = torch.tensor([[0, 0, 0, 1.0], [2 + 4, 5, 0, 3], [0, 0, 0, 0]]).double()
    torch.testing.assert_close(torch.from_numpy(sums.matrix().toarray()), expected)


def test_eliminated_points_give_the_step_of_the_whole_system():
    J = torch.randn(30, 9, dtype=torch.float64, generator=G)
    # each residual depends on one of the four points, which come last
    J[:, 5:] *= torch.nn.functional.one_hot(torch.arange(30) % 4, 4)
    r = torch.randn(30, dtype=torch.float64, generator=G)
    H, g = J.T @ J, J.T @ r
    of_parameters, of_points = SparseSums(5, 5), SparseSums(4, 5)
    of_parameters.add(torch.arange(5)[None], torch.arange(5)[None], H[None, :5, :5])
    of_points.add(torch.arange(4)[None], torch.arange(5)[None], H[None, 5:, :5])
    equations = SparsePointEquations(H=of_parameters.matrix(), E=of_points.matrix(), g=g[:5],
                                     D=H.diagonal()[5:], e=g[5:], cost=0.5 * float(r @ r))
    assert equations.size == 9
    for damping in (0.0, 0.3):
        step = equations.solve_damped(damping)
        whole = H + damping * torch.diag(H.diagonal())
        torch.testing.assert_close(step, -torch.linalg.solve(whole, g), rtol=1e-6, atol=1e-9)
    fall = equations.cost - 0.5 * float((r + J @ equations.solve_damped(0.0)).square().sum())
    assert abs(equations.predicted_fall(equations.solve_damped(0.0), 0.0) - fall) < 1e-6


def test_parameters_without_residuals_stay():
    equations = SparsePointEquations(
        H=SparseSums(2, 2).matrix(), E=SparseSums(1, 2).matrix(), cost=0.5,
        g=torch.zeros(2).double(), D=torch.ones(1).double(), e=torch.ones(1).double())
    torch.testing.assert_close(equations.solve_damped(0.0),
                               torch.tensor([0.0, 0.0, -1.0]).double())
