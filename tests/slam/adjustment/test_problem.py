"""The adjustment's derivatives, and what it makes of a drifted map with wrong matches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.difference import assert_jacobian

from scenecode.optim.geometry import se3
from scenecode.optim.solvers.gauss_newton import GaussNewtonConfig, minimise
from scenecode.optim.solvers.pose_graph import Edges
from scenecode.slam.adjustment.problem import (
    KNOWN_LENS_SIGMA,
    MEASURED_LENS_SIGMA,
    AdjustmentProblem,
    MapState,
    ObservedLandmarks,
)
from scenecode.slam.adjustment.reprojection import LENS, POSE, Sightings, reprojections

CAMERA = torch.tensor([100.0, 105.0, 63.5, 47.5, 128.0, 96.0]).double()
KEYFRAMES, POINTS = 8, 60


def uniform(*shape, seed=1):
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).double() - 1


def sightings(rays, log_depth, T):
    """By ideal lenses and cameras at rest, at pixel 0."""
    cameras, none = CAMERA.expand(len(T), LENS), torch.zeros(len(T), LENS).double()
    return Sightings(rays=rays, log_depth=log_depth, T=T, host_cameras=cameras,
                     observer_cameras=cameras, pixels=none[:, :2], host_lenses=none,
                     observer_lenses=none, host_motions=none, observer_motions=none)


def true_map():
    """A camera that moves sideways and turns, before points at 2 to 4 metres; its landmarks, seen
    without an error, and the true state."""
    turns = torch.stack([0.2 * torch.arange(KEYFRAMES), *torch.zeros(2, KEYFRAMES),
                         *torch.zeros(1, KEYFRAMES), -0.05 * torch.arange(KEYFRAMES),
                         *torch.zeros(1, KEYFRAMES)], 1).double()
    poses = se3.exp(turns)
    host = torch.arange(POINTS) % KEYFRAMES
    rays = torch.cat([0.5 * uniform(POINTS, 2), torch.ones(POINTS, 1)], 1).double()
    depth = 3 + uniform(POINTS, seed=2)
    landmark = torch.arange(POINTS).repeat_interleave(KEYFRAMES - 1)
    steps = torch.arange(1, KEYFRAMES).repeat(POINTS)
    observer = (host[landmark] + steps) % KEYFRAMES
    near = (observer - host[landmark]).abs() <= 3
    landmark, observer = landmark[near], observer[near]
    pixels = reprojections(sightings(
        rays=rays[landmark], log_depth=depth.log()[landmark],
        T=se3.inverse(poses[observer]) @ poses[host[landmark]])).value
    landmarks = ObservedLandmarks(
        host=host, rays=rays, network_log_depth=depth.log() + 0.05 * uniform(POINTS, seed=3),
        log_std=torch.full((POINTS,), 0.1).double(), landmark=landmark, observer=observer,
        pixels=pixels, cameras=CAMERA[None],
        camera_of=torch.zeros(KEYFRAMES, dtype=torch.long),
        lens_sigma=torch.tensor([MEASURED_LENS_SIGMA]).double(),
        motions=uniform(KEYFRAMES, POSE, seed=15))
    return landmarks, MapState(poses=poses, log_scales=torch.zeros(KEYFRAMES).double(),
                               log_depths=depth.log(), lenses=torch.zeros(1, LENS).double())


def problem_of(landmarks, state, link_sigma=10.0):
    a = torch.arange(KEYFRAMES - 1)
    T_ab = se3.inverse(state.poses[a]) @ state.poses[a + 1]
    links = Edges(a=a, b=a + 1, T_ab=T_ab, log_scale=torch.zeros(len(a)).double(),
                  sigma=torch.full((len(a), 7), link_sigma).double(),
                  cauchy=torch.full((len(a),), torch.inf).double())
    return AdjustmentProblem(landmarks, links, start=state,
                             is_fixed=torch.arange(KEYFRAMES) == 0, sigma_pixels=0.3,
                             sigma_log_scale=0.2, reprojection_cauchy=3.0)


def drifted(state):
    """Every step is longer than the one before it, and a little turned."""
    poses = [state.poses[0]]
    scales = 0.05 * torch.arange(KEYFRAMES).double()
    for n in range(1, KEYFRAMES):
        step = se3.inverse(state.poses[n - 1]) @ state.poses[n]
        step = se3.retract(step, torch.tensor([0, 0, 0.01, 0, 0.01, 0]).double())
        step[:3, 3] *= scales[n].exp()
        poses.append(poses[-1] @ step)
    return replace(state, poses=torch.stack(poses), log_scales=scales)


def test_reprojections_have_the_derivatives_that_they_state():
    seen = replace(
        sightings(torch.cat([uniform(5, 2), torch.ones(5, 1)], 1).double(), uniform(5, seed=4),
                  se3.exp(0.2 * uniform(5, 6, seed=7))),
        host_lenses=0.05 * uniform(5, LENS, seed=9),
        observer_lenses=0.05 * uniform(5, LENS, seed=10), pixels=40 * uniform(5, 2, seed=12),
        host_motions=uniform(5, POSE, seed=13), observer_motions=uniform(5, POSE, seed=14))
    found = reprojections(seen)
    assert_jacobian(lambda x: reprojections(replace(seen, T=se3.exp(x) @ seen.T)).value,
                    found.by_motion)
    assert_jacobian(lambda x: reprojections(replace(seen, log_depth=seen.log_depth + x)).value,
                    torch.einsum("nr,nm->nrm", found.by_depth, torch.eye(5).double()))
    assert_jacobian(lambda x: reprojections(replace(
        seen, host_lenses=seen.host_lenses + x)).value, found.by_host_lens)
    assert_jacobian(lambda x: reprojections(replace(
        seen, observer_lenses=seen.observer_lenses + x)).value, found.by_observer_lens)
    for motions, derivative in (("host_motions", found.by_host_scale),
                                ("observer_motions", found.by_observer_scale)):
        at_rest = getattr(seen, motions)
        assert_jacobian(lambda x, name=motions, given=at_rest: reprojections(replace(
            seen, **{name: se3.stretched(given, x.exp())})).value,
            torch.einsum("nr,nm->nrm", derivative, torch.eye(5).double()))


def test_pairs_without_parallax_tell_nothing_about_depth():
    landmarks, state = true_map()
    turning = state.poses.clone()
    turning[:, :3, 3] = 0.01 * turning[:, :3, 3]
    for poses, told in ((state.poses, True), (turning, False)):
        at = replace(state, poses=poses)
        equations = problem_of(landmarks, at).linearise(at)
        by_network = landmarks.log_std ** -2
        assert bool((equations.D > 1.01 * by_network).all()) == told
        assert bool((equations.D > 1.01 * by_network).any()) == told


def test_the_gradient_is_that_of_the_cost():
    landmarks, state = true_map()
    problem = problem_of(landmarks, state, link_sigma=0.1)
    start = replace(drifted(state), log_depths=state.log_depths + 0.1 * uniform(POINTS, seed=5),
                    lenses=0.03 * uniform(1, LENS, seed=11))
    equations = problem.linearise(start)
    gradient = torch.cat([equations.g, equations.e])
    assert_jacobian(lambda x: torch.tensor(problem.linearise(problem.retract(start, x)).cost,
                                           dtype=torch.float64), gradient, relative=1e-5)


def assert_same_equations(a, b):
    for name in ("H", "E"):
        np.testing.assert_allclose(getattr(a, name).toarray(), getattr(b, name).toarray(),
                                   rtol=1e-9, atol=1e-9)
    for name in ("g", "D", "e"):
        torch.testing.assert_close(getattr(a, name), getattr(b, name))
    assert a.cost == pytest.approx(b.cost)


def test_equations_depend_on_neither_the_order_nor_the_pieces_of_observations(monkeypatch):
    landmarks, state = true_map()
    start = drifted(state)
    expected = problem_of(landmarks, state).linearise(start)
    order = torch.randperm(len(landmarks.landmark), generator=torch.Generator().manual_seed(0))
    shuffled = replace(landmarks, landmark=landmarks.landmark[order],
                       observer=landmarks.observer[order], pixels=landmarks.pixels[order])
    assert_same_equations(problem_of(shuffled, state).linearise(start), expected)
    monkeypatch.setattr("scenecode.slam.adjustment.problem._CHUNK", 7)
    assert_same_equations(problem_of(landmarks, state).linearise(start), expected)


def test_a_map_without_observations_has_equations():
    landmarks, state = true_map()
    nothing = replace(landmarks, landmark=landmarks.landmark[:0],
                      observer=landmarks.observer[:0], pixels=landmarks.pixels[:0])
    found = problem_of(nothing, state).linearise(state)
    assert np.isfinite(found.cost) and not found.E[:, :POSE * (KEYFRAMES - 1)].nnz


@pytest.mark.parametrize("wrong", (0.0, 0.1))
def test_a_drifted_map_is_put_right_also_with_wrong_matches(wrong):
    landmarks, state = true_map()
    is_wrong = torch.rand(len(landmarks.pixels),
                          generator=torch.Generator().manual_seed(6)) < wrong
    pixels = landmarks.pixels + 15 * is_wrong[:, None] * uniform(len(is_wrong), 2, seed=8)
    start = drifted(state)
    problem = problem_of(replace(landmarks, pixels=pixels), start)
    found = minimise(start, problem.linearise, problem.retract,
                     GaussNewtonConfig(iterations=60, tolerance=1e-9)).state

    # whatever the map's scale, which the network's depths give
    def steps(state):
        lengths = (state.poses[1:] - state.poses[:-1])[:, :3, 3].norm(dim=1)
        return lengths / lengths.mean()

    assert float((steps(start) - steps(state)).abs().max()) > 0.1
    assert float((steps(found) - steps(state)).abs().max()) < 0.01
    turn = se3.rotation_angle(se3.inverse(found.poses) @ state.poses)
    assert float(turn.max()) < 0.005
    assert float(found.log_scales.std()) < 0.03
    assert torch.equal(found.poses[0], start.poses[0])


def test_a_keyframe_without_observations_is_held_by_its_links():
    landmarks, state = true_map()
    lost = KEYFRAMES - 1
    seen = (landmarks.observer != lost) & (landmarks.host[landmarks.landmark] != lost)
    landmarks = replace(landmarks, landmark=landmarks.landmark[seen],
                        pixels=landmarks.pixels[seen], observer=landmarks.observer[seen])
    start = drifted(state)
    problem = problem_of(landmarks, start, link_sigma=0.05)
    found = minimise(start, problem.linearise, problem.retract,
                     GaussNewtonConfig(iterations=60, tolerance=1e-9)).state
    before, after = (se3.inverse(s.poses[lost - 1]) @ s.poses[lost] for s in (start, found))
    torch.testing.assert_close(after[:3, :3], before[:3, :3], atol=1e-3, rtol=0)


def test_a_known_lens_is_kept_where_a_measured_one_is_estimated():
    """Of barrel distortion."""
    landmarks, state = true_map()

    def bent(points):
        return points * (1 - 0.05 * points.square().sum(1, keepdim=True))

    pixels = CAMERA[2:4] + bent((landmarks.pixels - CAMERA[2:4]) / CAMERA[:2]) * CAMERA[:2]
    rays = torch.cat([bent(landmarks.rays[:, :2]), landmarks.rays[:, 2:]], 1)
    landmarks = replace(landmarks, pixels=pixels, rays=rays)
    found = {}
    for sigma in (KNOWN_LENS_SIGMA, MEASURED_LENS_SIGMA):
        problem = problem_of(
            replace(landmarks, lens_sigma=torch.tensor([sigma]).double()), state)
        found[sigma] = float(minimise(state, problem.linearise, problem.retract,
                                      GaussNewtonConfig(iterations=30)).state.lenses[0, 2])
    assert found[MEASURED_LENS_SIGMA] < -0.01
    assert abs(found[KNOWN_LENS_SIGMA]) < 0.2 * abs(found[MEASURED_LENS_SIGMA])


def test_triangulation_does_not_ask_the_network():
    landmarks, state = true_map()
    guess = replace(state, log_depths=state.log_depths + 0.3 * uniform(POINTS, seed=7))
    log_depths, log_std = problem_of(landmarks, state).triangulated(guess)
    torch.testing.assert_close(log_depths, state.log_depths, atol=1e-3, rtol=0)
    # 0.2 m of base line, 3 m away, 0.3 pixels of 100
    assert (log_std > 0.003).all() and (log_std < 0.1).all()
