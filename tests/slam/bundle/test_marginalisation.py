"""Marginalisation of keyframes that leave the window: their information is kept."""

from dataclasses import replace

import pytest
import torch
from support.exact import ExactPredictor
from support.walks import small_config

from scenecode.optim.geometry import se3
from scenecode.optim.solvers.marginal import eliminate
from scenecode.optim.solvers.normal_equations import NormalEquations
from scenecode.slam.bundle.layout import Leaving
from scenecode.slam.bundle.marginalisation import marginalise
from scenecode.slam.bundle.window import Window
from scenecode.slam.config.mapping import StageConfig
from scenecode.slam.mapping.mapper import Mapper

JOINT = StageConfig("joint", 0, 40)


def settings(window):
    config = small_config().mapping
    return replace(config, window=window, links=2, tolerance=1e-7)


@pytest.fixture(scope="module")
def converged(small_walk):
    """Four keyframes optimised to convergence, with an imperfect network."""
    frames = small_walk[0:48:12]
    mapper = Mapper(settings(4), ExactPredictor(frames, depth_error=0.1))
    for frame in frames:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    mapper.optimise(JOINT)
    return mapper.graph


@pytest.fixture
def graph(converged):
    """A copy that a test may change."""
    return converged.frozen()


def leave(graph, *staying):
    """The first keyframe leaves the window; those ``staying`` were in it with it."""
    graph.rest(0)
    marginalise(graph, Leaving(0, staying), settings(4))


def information_on(graph, numbers):
    """What the residuals of the active keyframes imply for some of them, minimised over the
    others and all landmarks: information (n, n) and gradient (n,)."""
    problem = Window(graph, settings(4), JOINT)
    equations = problem.linearise(problem.start())
    stays = torch.cat([problem.columns_of(n) for n in numbers])
    gone = torch.tensor([n for n in range(len(equations.g)) if n not in stays], dtype=torch.long)
    found = eliminate(equations, gone, stays)
    return found.jacobian.T @ found.jacobian, found.jacobian.T @ found.value


@pytest.mark.slow
def test_window_and_prior_have_the_information_of_the_larger_window(graph):
    """The window of three with its prior against that of all four."""
    information, gradient = information_on(graph, (1, 2, 3))
    leave(graph, 1, 2, 3)
    after, gradient_after = information_on(graph, (1, 2, 3))
    assert torch.dist(after, information) < 1e-3 * information.norm()
    assert torch.dist(gradient_after, gradient) < 1e-3 * gradient.norm()
    graph.prior = None
    without, _ = information_on(graph, (1, 2, 3))
    assert torch.dist(without, information) > 0.1 * information.norm()


def test_absorbed_residuals_are_not_evaluated_again(graph):
    before = Window(graph, settings(3), JOINT)
    assert any(0 in pair for pair in before.links) and (0, 1) in before.observations
    leave(graph, 1, 2, 3)
    after = Window(graph, settings(3), JOINT)
    assert not any(0 in pair for pair in after.links)
    # its own landmarks were marginalised; its observations of others' landmarks remain
    assert not any(host == 0 for host, _ in after.observations) and (1, 0) in after.observations
    assert (0, 1) in graph.links, "the links themselves are kept"


def test_prior_fixes_the_gauge_after_the_first_keyframe_has_left(graph):
    """The first pose defined the world frame: without it and its prior, the others are free."""
    leave(graph, 1, 2, 3)

    def stiffness():
        window = Window(graph, settings(3), JOINT)
        H = window.linearise(window.start()).H
        columns = torch.cat([window.columns_of(n)[:6] for n in (1, 2, 3)])
        return torch.linalg.eigvalsh(H[columns][:, columns])[0]

    bound = stiffness()
    graph.prior = None
    graph.observations = {pair: seen for pair, seen in graph.observations.items() if 0 not in pair}
    assert bound > 100 * stiffness()


@pytest.mark.slow
def test_each_prior_is_absorbed_by_the_next(small_walk):
    frames = small_walk[0:60:10]
    mapper = Mapper(settings(3), ExactPredictor(frames))
    seen = []
    for frame in frames:
        mapper.insert(frame, frame.truth.T_world_cam.float())
        while mapper.has_work:
            mapper.step()
        prior = mapper.graph.prior
        seen.append(None if prior is None else prior.numbers)
    assert seen == [None, None, None, (1, 2), (2, 3), (3, 4)]


def test_prior_is_invariant_to_a_correction_of_the_whole_map(graph):
    """Rotated, translated and rescaled as a whole, the map has the same cost."""
    leave(graph, 1, 2, 3)
    for n, metres in ((1, 0.02), (3, -0.01)):
        step = torch.tensor([metres, 0.0, metres, 0.0, 0.01, 0.0])
        graph.states[n] = replace(graph.states[n],
                                  T_world_cam=se3.retract(graph.states[n].T_world_cam, step))

    def cost():
        prior, equations = graph.prior, NormalEquations(3 * 70)
        prior.add(equations, [graph.states[n] for n in prior.numbers],
                  list(torch.arange(3 * 70).reshape(3, 70)))
        return equations.cost

    before = cost()
    world = se3.exp(torch.tensor([0.5, -1.0, 2.0, 0.3, 0.8, -0.2]))
    log_scale = 0.25
    poses = torch.stack([state.T_world_cam for state in graph.states.values()])
    poses[:, :3, 3] *= torch.tensor(log_scale).exp()
    graph.correct(world @ poses, torch.full((4,), log_scale))
    assert cost() == pytest.approx(before, rel=1e-3)


def test_without_marginal_priors_images_of_older_keyframes_are_compared(small_walk):
    frames = small_walk[0:48:12]
    mapper = Mapper(replace(settings(2), marginal_priors=False), ExactPredictor(frames))
    for frame in frames:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    assert mapper.graph.prior is None
    assert (1, 2) in Window(mapper.graph, settings(2), JOINT).links


def test_links_that_are_newer_than_the_prior_are_evaluated(graph):
    """A camera that returns to a keyframe that has left the window."""
    leave(graph, 1, 2)
    assert graph.prior.numbers == (1, 2) and (0, 3) not in graph.absorbed_observations
    graph.link(0, 3)
    assert (0, 3) in Window(graph, settings(3), JOINT).links
