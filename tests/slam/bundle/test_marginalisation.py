"""Keyframes that leave the window: what they knew stays in force."""

from dataclasses import replace

import pytest
import torch
from support.exact import ExactPredictor
from support.walks import small_config

from scenecode.optim.geometry import se3
from scenecode.optim.solvers.marginal import eliminate
from scenecode.optim.solvers.normal_equations import NormalEquations
from scenecode.slam.bundle.marginalisation import marginalise
from scenecode.slam.bundle.window import Window
from scenecode.slam.config.mapping import StageConfig
from scenecode.slam.mapping.mapper import Mapper

JOINT = StageConfig("joint", 0, 40)


def settings(window):
    config = small_config().mapping
    return replace(config, window=window, links=2, tolerance=1e-7)


def settled_at(walk):
    """Four keyframes that agree as well as they can, with an imperfect network."""
    frames = walk[0:48:12]
    mapper = Mapper(settings(4), ExactPredictor(frames, depth_error=0.1))
    for frame in frames:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    mapper.optimise(JOINT)
    return mapper


@pytest.fixture
def settled(small_walk):
    return settled_at(small_walk)


def said_of(graph, numbers, window):
    """What the newest keyframes' residuals say of some of them, the others and all corners at
    their best: information (n, n) and gradient (n,)."""
    problem = Window(graph, settings(window), JOINT)
    equations = problem.linearise(problem.start())
    stays = torch.cat([problem.columns_of(n) for n in numbers])
    gone = torch.tensor([n for n in range(len(equations.g)) if n not in stays], dtype=torch.long)
    found = eliminate(equations, gone, stays)
    return found.jacobian.T @ found.jacobian, found.jacobian.T @ found.value


def test_what_a_keyframe_knew_stays_in_force_when_it_leaves(settled):
    """The window of three and its prior say what all four said."""
    graph = settled.graph
    information, gradient = said_of(graph, (1, 2, 3), window=4)
    marginalise(graph, 0, settings(4))
    after, gradient_after = said_of(graph, (1, 2, 3), window=3)
    assert torch.dist(after, information) < 1e-3 * information.norm()
    assert torch.dist(gradient_after, gradient) < 1e-3 * gradient.norm()
    graph.prior = None
    without, _ = said_of(graph, (1, 2, 3), window=3)
    assert torch.dist(without, information) > 0.1 * information.norm()


def test_what_has_been_absorbed_is_not_compared_again(settled):
    graph = settled.graph
    before = Window(graph, settings(3), JOINT)
    assert any(0 in pair for pair in before.links) and (0, 1) in before.observations
    marginalise(graph, 0, settings(4))
    after = Window(graph, settings(3), JOINT)
    assert not any(0 in pair for pair in after.links)
    # its corners went with it; it stays a witness of others' corners
    assert not any(home == 0 for home, _ in after.observations) and (1, 0) in after.observations
    assert (0, 1) in graph.links, "what saw what is still known"


def test_poses_are_certain_after_the_first_one_has_left(settled):
    """The first pose defined the world: without it and its prior, the others could go anywhere."""
    graph = settled.graph
    marginalise(graph, 0, settings(4))

    def stiffness():
        window = Window(graph, settings(3), JOINT)
        H = window.linearise(window.start()).H
        columns = torch.cat([window.columns_of(n)[:6] for n in (1, 2, 3)])
        return torch.linalg.eigvalsh(H[columns][:, columns])[0]

    bound = stiffness()
    graph.prior = None
    graph.observations = {pair: seen for pair, seen in graph.observations.items() if 0 not in pair}
    assert bound > 100 * stiffness()


def test_priors_are_handed_on_from_keyframe_to_keyframe(small_walk):
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


def test_a_corrected_map_takes_its_prior_along(settled):
    """The whole map turned, moved and grown: the prior says of it what it said before."""
    graph = settled.graph
    marginalise(graph, 0, settings(4))
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
    growth = 0.25
    poses = torch.stack([state.T_world_cam for state in graph.states])
    poses[:, :3, 3] *= torch.tensor(growth).exp()
    graph.correct(world @ poses, torch.full((4,), growth))
    assert cost() == pytest.approx(before, rel=1e-3)


def test_without_marginal_priors_older_keyframes_go_on_being_compared(small_walk):
    frames = small_walk[0:48:12]
    mapper = Mapper(replace(settings(2), marginal_priors=False), ExactPredictor(frames))
    for frame in frames:
        mapper.insert(frame, frame.truth.T_world_cam.float())
    assert mapper.graph.prior is None
    assert (1, 2) in Window(mapper.graph, settings(2), JOINT).links


def test_what_came_after_it_left_is_compared_with_it_as_before(settled):
    """A camera that comes back to a keyframe that has left."""
    graph = settled.graph
    marginalise(graph, 0, settings(3))
    assert graph.prior.numbers == (1, 2) and (0, 3) not in graph.absorbed_observations
    graph.link(0, 3)
    assert (0, 3) in Window(graph, settings(3), JOINT).links
