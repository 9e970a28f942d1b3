"""Pose-graph optimisation with scale over a whole map.

Seven parameters a node: its pose, and the logarithm of the unit in which its depth is measured.
A monocular map drifts in scale as it does in pose, so that closing a loop must be able to rescale
it (Strasdat et al. 2010).  Pose and scale are separate parameters instead of a similarity: the
degrees of freedom are the same, ``scenecode.optim.geometry.se3`` applies, and no logarithm of
Sim(3) is needed.
"""

from dataclasses import dataclass

import torch
from scipy.sparse import coo_array, csc_array, diags_array
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.residuals import POSE_A, POSE_B, Residual
from scenecode.optim.robust import cauchy_cost, cauchy_weight
from scenecode.optim.solvers.gauss_newton import GaussNewtonConfig, Solution, minimise
from scenecode.optim.solvers.sparse_factor import symmetric_factor

#: Parameters of a node: translation, rotation, ln scale.
SIZE = 7


@dataclass(frozen=True)
class Nodes:
    """K scaled poses, float64, on the CPU.  Node 0 is fixed: it defines the world frame and
    its unit."""

    #: (K, 4, 4) T_world_node
    poses: Tensor
    #: (K,) ln of world units per unit of the node's own
    log_scales: Tensor

    def __len__(self) -> int:
        return len(self.poses)


@dataclass(frozen=True)
class Edges:
    """E measured relative poses, float64, on the CPU."""

    #: (E,) the two nodes
    a: Tensor
    b: Tensor
    #: (E, 4, 4) T_a_b, in a's unit
    T_ab: Tensor
    #: (E,) ln of a's units per unit of b
    log_scale: Tensor
    #: (E, 7) standard deviations: of translation in a's unit, rotation in radians, ln scale
    sigma: Tensor
    #: (E,) scale of Cauchy's loss in standard deviations; infinite for a quadratic loss
    cauchy: Tensor


def relative_pose(nodes: Nodes, edges: Edges) -> Residual:
    """Relative pose of the nodes of each edge less the measured one (E, 1, 7), with its
    derivatives by the nodes a and b, pose and ln scale (E, 1, 7, 7), poses perturbed on the right.

    Translation is compared in a's frame and unit, rotation as ``log(R_measured^-1 R)``.
    """
    T_a, T_b = nodes.poses[edges.a], nodes.poses[edges.b]
    R_at = T_a[:, :3, :3].mT
    shrink = torch.exp(-nodes.log_scales[edges.a])[:, None, None]
    R_ab = R_at @ T_b[:, :3, :3]
    t_ab = shrink[..., 0] * (R_at @ (T_b - T_a)[:, :3, 3:])[..., 0]
    difference = edges.T_ab.clone()
    difference[:, :3, :3] = edges.T_ab[:, :3, :3].mT @ R_ab
    rotation = se3.log(difference)[:, 3:]
    change = nodes.log_scales[edges.b] - nodes.log_scales[edges.a] - edges.log_scale
    value = torch.cat([t_ab - edges.T_ab[:, :3, 3], rotation, change[:, None]], 1)
    rotation_J = torch.linalg.inv(se3.left_jacobian(-rotation))
    by_a, by_b = value.new_zeros(2, len(value), SIZE, SIZE)
    by_a[:, :3, :3] = -shrink * torch.eye(3, dtype=value.dtype, device=value.device)
    by_a[:, :3, 3:6] = se3.hat(t_ab)
    by_a[:, :3, 6] = -t_ab
    by_a[:, 3:6, 3:6] = -rotation_J @ R_ab.mT
    by_a[:, 6, 6] = -1
    by_b[:, :3, :3] = shrink * R_ab
    by_b[:, 3:6, 3:6] = rotation_J
    by_b[:, 6, 6] = 1
    return Residual(value[:, None], {POSE_A: by_a[:, None], POSE_B: by_b[:, None]})


def retract(nodes: Nodes, step: Tensor) -> Nodes:
    """Nodes moved by a step (7 (K - 1),) of all but the first."""
    moves = step.view(-1, SIZE).to(nodes.poses)
    return Nodes(torch.cat([nodes.poses[:1], se3.retract(nodes.poses[1:], moves[:, :6])]),
                 torch.cat([nodes.log_scales[:1], nodes.log_scales[1:] + moves[:, 6]]))


@dataclass(frozen=True)
class SparseEquations:
    """``H delta = -g`` of a sparse graph: takes the place of ``NormalEquations``, whose work grows
    with the cube of the map."""

    H: csc_array
    g: Tensor
    cost: float

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.g)

    def solve_damped(self, damping: float) -> Tensor | None:
        """As ``NormalEquations.solve_damped``."""
        diagonal = self.H.diagonal()
        raised = self.H + diags_array(damping * diagonal + 1e-12 * diagonal.max())
        try:
            factor = symmetric_factor(raised)
        except RuntimeError:  # what SuperLU raises for a singular matrix
            return None
        return -torch.from_numpy(factor.solve(self.g.numpy()))

    def predicted_fall(self, step: Tensor, damping: float) -> float:
        """As ``NormalEquations.predicted_fall``."""
        diagonal = torch.from_numpy(self.H.diagonal())
        return 0.5 * float(step @ (damping * diagonal * step - self.g))


def optimise(start: Nodes, edges: Edges, config: GaussNewtonConfig) -> Solution[Nodes]:
    """The nodes that fit the edges best."""
    size = SIZE * (len(start) - 1)
    # negative for the fixed node
    first = SIZE * (torch.stack([edges.a, edges.b], 1) - 1)
    columns = (first[:, :, None] + torch.arange(SIZE)).flatten(1)
    row, column = (part.flatten() for part in torch.broadcast_tensors(
        columns[:, :, None], columns[:, None, :]))
    free = (row >= 0) & (column >= 0)
    entries, moving = (row[free].numpy(), column[free].numpy()), columns >= 0

    def linearise(nodes: Nodes) -> SparseEquations:
        residual = relative_pose(nodes, edges)
        whitened = residual.value[:, 0] / edges.sigma
        error = whitened.norm(dim=1)
        J = torch.cat([residual.jacobians[POSE_A], residual.jacobians[POSE_B]], -1)[:, 0]
        J = J / edges.sigma[..., None]
        weighted = J * _weight(error, edges)[:, None, None]
        H = coo_array(((weighted.mT @ J).flatten()[free].numpy(), entries), shape=(size, size))
        g = torch.zeros(size, dtype=torch.float64)
        g.index_add_(0, columns[moving],
                     (weighted.mT @ whitened[..., None])[..., 0][moving])
        return SparseEquations(H=H.tocsc(), g=g, cost=_cost(error, edges))

    return minimise(start, linearise, retract, config)


def robust_weight(nodes: Nodes, edges: Edges) -> Tensor:
    """(E,) in (0, 1]: the weight of Cauchy's loss for each edge at the nodes' poses."""
    return _weight(edge_errors(nodes, edges), edges)


def edge_errors(nodes: Nodes, edges: Edges) -> Tensor:
    """(E,) length of each edge's residual at the nodes' poses, in standard deviations."""
    return (relative_pose(nodes, edges).value[:, 0] / edges.sigma).norm(dim=1)


def _weight(error: Tensor, edges: Edges) -> Tensor:
    # 1 for an infinite scale
    return cauchy_weight(error, edges.cauchy)


def _cost(error: Tensor, edges: Edges) -> float:
    quadratic = edges.cauchy.isinf()
    robust = cauchy_cost(error, edges.cauchy.where(~quadratic, 1.0))
    return float(torch.where(quadratic, 0.5 * error.square(), robust).sum())
