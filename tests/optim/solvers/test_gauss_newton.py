"""The solver: exact on quadratics, monotone, and it reports why it stopped."""

import pytest
import torch

from scenecode.optim.robust import cauchy_cost, cauchy_weight, huber_cost, huber_weight
from scenecode.optim.solvers.gauss_newton import GaussNewtonConfig, Stop, minimise
from scenecode.optim.solvers.normal_equations import NormalEquations


def least_squares(residual_and_jacobian):
    def linearise(x):
        r, J = residual_and_jacobian(x)
        equations = NormalEquations(len(x))
        equations.add([(slice(0, len(x)), J)], r, torch.ones_like(r), 0.5 * float(r @ r))
        return equations
    return linearise


def rosenbrock(x):
    r = torch.stack([1 - x[0], 10 * (x[1] - x[0] ** 2)])
    J = torch.tensor([[-1.0, 0.0], [-20 * float(x[0]), 10.0]], dtype=torch.float64)
    return r, J


def test_solves_rosenbrock():
    start = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    found = minimise(start, least_squares(rosenbrock), torch.add,
                     GaussNewtonConfig(iterations=100, tolerance=1e-12))
    torch.testing.assert_close(found.state, torch.ones(2, dtype=torch.float64),
                               atol=1e-5, rtol=0)
    assert found.cost < found.cost_before


def test_model_predicts_the_cost_change_of_a_small_step():
    x = torch.tensor([0.3, -0.4], dtype=torch.float64)
    equations = least_squares(rosenbrock)(x)
    step = 1e-5 * equations.solve_damped(1e-6)
    predicted = float(equations.g @ step + 0.5 * step @ equations.H @ step)
    actual = least_squares(rosenbrock)(x + step).cost - equations.cost
    assert abs(predicted - actual) < 1e-4 * abs(predicted)


@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_predicted_fall_is_that_of_the_quadratic_model(damping):
    equations = least_squares(rosenbrock)(torch.tensor([0.3, -0.4], dtype=torch.float64))
    step = equations.solve_damped(damping)
    change = float(equations.g @ step + 0.5 * step @ equations.H @ step)
    assert equations.predicted_fall(step, damping) == pytest.approx(-change, rel=1e-6)


def test_steps_that_promise_too_little_are_not_tried():
    calls = []

    def linearise(x):
        calls.append(x)
        return least_squares(rosenbrock)(x)

    start = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    found = minimise(start, linearise, torch.add, GaussNewtonConfig(tolerance=2.0))
    assert found.stop is Stop.CONVERGED and len(calls) == 1
    torch.testing.assert_close(found.state, start)


def test_stop_reasons():
    def run(iterations=50, tolerance=1e-8, stop=lambda: False, x=(-1.2, 1.0)):
        return minimise(torch.tensor(x, dtype=torch.float64), least_squares(rosenbrock),
                        torch.add, GaussNewtonConfig(iterations=iterations,
                                                     tolerance=tolerance), stop).stop

    assert run(iterations=2) is Stop.ITERATIONS
    assert run(tolerance=2.0) is Stop.CONVERGED
    assert run(tolerance=0.9) is Stop.NO_DESCENT
    assert run(stop=lambda: True) is Stop.INTERRUPTED
    assert run(x=(1.0, 1.0)) is Stop.NO_DESCENT


def test_nan_cost_is_never_accepted():
    def linearise(x):
        equations = least_squares(rosenbrock)(x)
        if abs(float(x[0]) + 1.2) > 1e-9:
            equations.cost = float("nan")
        return equations

    start = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    found = minimise(start, linearise, torch.add, GaussNewtonConfig())
    assert found.stop is Stop.NO_DESCENT
    torch.testing.assert_close(found.state, start)


def test_parameters_without_residuals_stay():
    def linearise(x):
        r = x[:1] - 3
        equations = NormalEquations(2)
        equations.add([(slice(0, 1), torch.ones(1, 1, dtype=torch.float64))], r,
                      torch.ones(1, dtype=torch.float64), 0.5 * float(r @ r))
        return equations

    found = minimise(torch.tensor([0.0, 7.0], dtype=torch.float64), linearise, torch.add,
                     GaussNewtonConfig())
    torch.testing.assert_close(found.state, torch.tensor([3.0, 7.0], dtype=torch.float64),
                               atol=1e-4, rtol=0)


def test_blocks_land_at_their_columns():
    J1, J2 = torch.randn(9, 2), torch.randn(9, 3)
    r, w = torch.randn(9), torch.rand(9)
    equations = NormalEquations(8)
    equations.add([(slice(5, 8), J2), (slice(1, 3), J1)], r, w, 1.5)
    J = torch.zeros(9, 8)
    J[:, 1:3], J[:, 5:8] = J1, J2
    torch.testing.assert_close(equations.H, (J.T @ (w[:, None] * J)).double())
    torch.testing.assert_close(equations.g, (J.T @ (w * r)).double())
    assert equations.cost == 1.5


@pytest.mark.parametrize("cost, weight", [(huber_cost, huber_weight),
                                          (cauchy_cost, cauchy_weight)])
def test_robust_weight_is_the_slope_of_its_cost(cost, weight):
    error = torch.linspace(0.01, 1, 50, dtype=torch.float64).requires_grad_()
    cost(error, 0.3).sum().backward()
    torch.testing.assert_close(error.grad, (weight(error, 0.3) * error).detach())
