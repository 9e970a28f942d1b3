"""Label fusion: pixel by pixel, through codes, along surfaces; one call for all."""

from dataclasses import replace

import pytest
import torch
from support.difference import numerical_jacobian
from support.exact import ExactPredictor

from scenecode.core.errors import ConfigError
from scenecode.networks.classes import NYU13
from scenecode.networks.evaluation.metrics import Confusion
from scenecode.networks.prediction import Prediction
from scenecode.optim.crf import SurfaceConfig
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.fusion.code_fusion import CodeFusionConfig, SemanticAgreement, optimise_codes
from scenecode.slam.fusion.label_fusion import METHODS, LabelFusionConfig, fuse_labels
from scenecode.slam.fusion.label_views import LabelView, project_view
from scenecode.slam.sources.rooms import RoomsSource

CAMERA = PinholeCamera(60.0, 60.0, 31.5, 23.5, 64, 48)
WALL, TV, PICTURE = (NYU13.names.index(name) for name in ("wall", "tv", "picture"))
#: The codes of the exact predictor move logits by so much, and this comes on top of them.
LOGIT_ERROR, NOISE, CODE_SIZE = 0.3, 2.0, 32


def wall_view(x, share, depth=2.0, code_size=0, seed=0):
    """A view of a wall at z = 2 from x, a share of probability on TV, the rest on picture."""
    logits = torch.full((len(NYU13), 12, 16), -20.0)
    logits[TV], logits[PICTURE] = torch.tensor([share, 1 - share]).log()
    g = torch.Generator().manual_seed(seed)
    J = 0.4 * torch.randn(len(NYU13), code_size, 12, 16, generator=g)
    prox = torch.full((12, 16), 0.5)
    prediction = Prediction(prox_zero=prox, prox_J_code=prox.new_zeros(0, 12, 16), prox_b=prox,
                            logits_zero=logits, logits_J_code=J, classes=NYU13, average_depth=2.0)
    T = se3.exp(torch.tensor([x, 0.0, 0.0, 0.0, 0.0, 0.0]))
    return LabelView(camera=CAMERA, T_world_cam=T, image=torch.full((3, 48, 64), 0.5),
                     depth=torch.full((48, 64), depth), prediction=prediction)


def noisy_views(seed, start, count=2, step=12):
    """Views of a room by the exact predictor, with errors that no code can express."""
    source = RoomsSource(seed, 120, 64, 48)
    frames = [source.frame(start + step * n) for n in range(count)]
    predictor = ExactPredictor(frames, code_size=CODE_SIZE, logit_error=LOGIT_ERROR)
    g = torch.Generator().manual_seed(seed)
    views = []
    for frame in frames:
        p = predictor.predict(frame.image, frame.camera)
        p = replace(p, logits_zero=p.logits_zero + NOISE * torch.randn(
            p.logits_zero.shape, generator=g))
        views.append(LabelView(camera=frame.camera, T_world_cam=frame.truth.T_world_cam.float(),
                               image=frame.image, depth=frame.truth.depth, prediction=p))
    return views, frames[0].truth.labels


SET_CONFIG = LabelFusionConfig(code=CodeFusionConfig(step=4, sigma=1.0, huber=2.0))


@pytest.fixture(scope="module")
def room_set():
    """Pairs of views with the labels of the first: small and always the same."""
    return [noisy_views(seed, 20) for seed in range(6)]


def set_miou(room_set, label):
    """mIoU of ``label(views)`` (H, W) over the set."""
    confusion = Confusion(len(NYU13))
    for views, labels in room_set:
        confusion.add(label(views), labels)
    return confusion.scores()["miou"]


@pytest.fixture(scope="module")
def room_scores(room_set):
    """mIoU of each method with two views."""
    return {method: set_miou(room_set, lambda views, method=method:
                             fuse_labels(method, views, SET_CONFIG).argmax(0))
            for method in METHODS}


@pytest.mark.slow
def test_the_code_prior_keeps_two_views_from_agreeing_on_the_wrong_labels(room_scores):
    assert room_scores["code"] > room_scores["code_without_prior"] + 0.01
    assert room_scores["code_without_prior"] < room_scores["average_along_surfaces"]


def test_agreement_of_two_views_alone_needs_the_prior_to_beat_their_average(room_scores):
    assert room_scores["code_alone_without_prior"] < room_scores["average"] - 0.01
    assert room_scores["code_alone"] > room_scores["average"] + 0.01


def test_codes_help_where_they_can_express_the_error(room_scores):
    assert room_scores["code"] > room_scores["average_along_surfaces"] + 0.005
    assert room_scores["code"] > room_scores["average"] > room_scores["none"]


def test_views_are_multiplied_and_averaged():
    views = [wall_view(0.0, 0.8), wall_view(0.0, 0.1)]
    average = fuse_labels("average", views)
    torch.testing.assert_close(average[TV], torch.full((48, 64), 0.45))
    odds = (0.8 * 0.1 / (0.2 * 0.9)) ** 0.5
    product = fuse_labels("multiplication", views)
    torch.testing.assert_close(product[TV], torch.full((48, 64), odds / (1 + odds)),
                               atol=1e-4, rtol=0)
    torch.testing.assert_close(fuse_labels("none", views)[TV], torch.full((48, 64), 0.8))


def test_a_view_votes_only_where_it_sees_the_same_surface():
    near, far = wall_view(0.0, 0.9), wall_view(0.5, 0.2)
    fused = fuse_labels("average", [near, far])[TV]
    # 0.5 m to the right at 2 m is 15 pixels
    torch.testing.assert_close(fused[:, 16:], torch.full((48, 48), 0.55))
    torch.testing.assert_close(fused[:, :15], torch.full((48, 15), 0.9))
    hidden = wall_view(0.0, 0.2, depth=1.0)
    torch.testing.assert_close(fuse_labels("average", [near, hidden])[TV],
                               torch.full((48, 64), 0.9))
    unknown = wall_view(0.0, 0.2, depth=0.0)
    assert not project_view(near, unknown, 0.05).visible.any()
    assert not project_view(unknown, near, 0.05).visible.any()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_probabilities_also_without_codes_and_with_one_view(method):
    for views in ([wall_view(0.0, 0.7)], [wall_view(0.0, 0.7), wall_view(0.1, 0.7)],
                  [wall_view(0.0, 0.7, code_size=3), wall_view(0.1, 0.7, code_size=3)]):
        fused = fuse_labels(method, views)
        assert fused.shape == (len(NYU13), 48, 64)
        torch.testing.assert_close(fused.sum(0), torch.ones(48, 64))
        assert (fused.argmax(0) == TV).all()


def test_unknown_methods_and_no_views_are_refused():
    with pytest.raises(ConfigError, match="'vote' is unknown; choose one of none"):
        fuse_labels("vote", [wall_view(0.0, 0.7)])
    with pytest.raises(ConfigError, match="at least one view"):
        fuse_labels("average", [])


def double(view):
    p = view.prediction
    p = replace(p, logits_zero=p.logits_zero.double(), logits_J_code=p.logits_J_code.double())
    return replace(view, T_world_cam=view.T_world_cam.double(), depth=view.depth.double(),
                   image=view.image.double(), prediction=p)


@pytest.mark.parametrize("with_consensus", [False, True])
def test_the_gradient_is_that_of_the_cost(with_consensus):
    views = [double(wall_view(0.02 * n, 0.7 - 0.2 * n, code_size=3, seed=n)) for n in range(3)]
    config = CodeFusionConfig(step=8, sigma=0.5)
    consensus = views[1].own_probabilities
    problem = SemanticAgreement.with_consensus(views, consensus, config, 0.05) \
        if with_consensus else SemanticAgreement.pairwise(views, config, 0.05)
    codes = torch.randn(3, 3, dtype=torch.float64)

    def cost(tangent):
        return torch.tensor(problem.linearise(problem.retract(codes, tangent)).cost,
                            dtype=torch.float64)

    equations = problem.linearise(codes)
    torch.testing.assert_close(equations.g, numerical_jacobian(cost, 9), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_codes_make_views_agree_and_stay_small():
    views, _ = noisy_views(3, 20, count=3)
    config = CodeFusionConfig(step=2, sigma=1.0)
    start = torch.stack([view.start_code() for view in views])
    assert not start.any()
    free = replace(config, prior_sigma=0.0)
    with_prior, without = (optimise_codes(views, c, 0.05) for c in (config, free))
    assert with_prior.cost < with_prior.cost_before and without.cost < with_prior.cost
    assert 0.05 < with_prior.state.norm(dim=1).min() and with_prior.state.norm(dim=1).max() < 6
    assert without.state.norm(dim=1).max() > with_prior.state.norm(dim=1).max()


def test_a_given_code_is_where_a_view_starts():
    view = replace(wall_view(0.0, 0.7, code_size=3), code=torch.tensor([1.0, -2.0, 0.5]))
    torch.testing.assert_close(fuse_labels("none", [view]), view.probabilities(view.code))
    assert not torch.allclose(view.own_probabilities, view.probabilities(torch.zeros(3)))


def test_strength_zero_does_no_smoothing():
    view = wall_view(0.0, 0.7)
    plain = LabelFusionConfig(surfaces=SurfaceConfig(strength=0.0))
    torch.testing.assert_close(fuse_labels("average_along_surfaces", [view], plain),
                               fuse_labels("average", [view]))
