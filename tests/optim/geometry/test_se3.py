"""SE(3) against scipy's matrix exponential and rotations, and against its own group laws."""

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from scenecode.optim.geometry import se3

ANGLES = [0.0, 1e-9, 1e-5, 1e-3, 0.009, 0.011, 0.1, 1.0, 3.0, np.pi - 1e-7]


def tangents(angle, count=8):
    generator = torch.Generator().manual_seed(3)
    axis = torch.randn(count, 3, dtype=torch.float64, generator=generator)
    axis = axis / axis.norm(dim=1, keepdim=True)
    return torch.cat([torch.randn(count, 3, dtype=torch.float64, generator=generator),
                      axis * angle], 1)


def generator_matrix(xi):
    matrix = np.zeros((4, 4))
    matrix[:3, :3] = se3.hat(xi[3:]).numpy()
    matrix[:3, 3] = xi[:3]
    return matrix


@pytest.mark.parametrize("angle", ANGLES)
def test_exp_is_the_matrix_exponential(angle):
    for xi in tangents(angle):
        np.testing.assert_allclose(se3.exp(xi).numpy(), expm(generator_matrix(xi)), atol=1e-12)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-8), (torch.float32, 2e-3)])
def test_log_inverts_exp(angle, dtype, tolerance):
    xi = tangents(angle).to(dtype)
    back = se3.log(se3.exp(xi))
    if angle > 3.1:  # both signs of the axis are the same rotation at pi
        xi, back = se3.exp(xi), se3.exp(back)
    torch.testing.assert_close(back, xi, atol=tolerance, rtol=0)


def test_quaternions_agree_with_scipy():
    q = Rotation.random(50, random_state=0).as_quat()
    q[q[:, 3] < 0] *= -1
    R = torch.from_numpy(Rotation.from_quat(q).as_matrix())
    np.testing.assert_allclose(se3.quaternion_from_rotation(R), q, atol=1e-12)
    torch.testing.assert_close(se3.rotation_from_quaternion(torch.from_numpy(q)), R)


def test_inverse_undoes_a_transform():
    T = se3.exp(tangents(1.3))
    torch.testing.assert_close(T @ se3.inverse(T), se3.identity(8, dtype=torch.float64))


def test_retraction_keeps_a_rotation_over_many_steps():
    T = se3.identity(dtype=torch.float32)
    xi = torch.tensor([0.01, -0.02, 0.005, 0.03, 0.02, -0.01])
    for _ in range(2000):
        T = se3.retract(T, xi)
    R = T[:3, :3]
    torch.testing.assert_close(R @ R.T, torch.eye(3), atol=1e-5, rtol=0)


def test_adjoint_carries_a_tangent_through_a_transform():
    T, xi = se3.exp(torch.tensor([0.3, -0.2, 1.0, 0.1, 0.2, -0.4]).double()), \
        torch.tensor([0.1, 0.2, -0.3, 0.2, -0.1, 0.3]).double()
    torch.testing.assert_close(T @ se3.exp(xi), se3.exp(se3.adjoint(T) @ xi) @ T)


def test_batches_broadcast():
    T = se3.exp(torch.randn(2, 3, 6))
    assert se3.act(T, torch.randn(2, 3, 7, 3)).shape == (2, 3, 7, 3)
    assert se3.log(T).shape == (2, 3, 6)
    assert se3.rotation_angle(T).shape == (2, 3)
