"""The dense conditional random field against enumeration of all labellings, and its fast kernels
against all pairs."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from scenecode.optim.dense_crf.config import DenseCRFConfig
from scenecode.optim.dense_crf.crf import DenseCRF, image_kernels, reduction
from scenecode.optim.dense_crf.kernels import exact_kernel, smoothness_kernel
from scenecode.optim.dense_crf.lattice import lattice_kernel

EXACT = DenseCRFConfig(backend="exact", appearance_colour=60.0, appearance_distance=300.0,
                       depth_distance=400.0, smoothness_distance=300.0)
C, H, W = 3, 2, 2


@pytest.fixture
def field():
    """A field of 4 pixels and 3 labels whose compatibilities are all different, and its
    inputs."""
    generator = torch.Generator().manual_seed(3)

    def random(*shape):
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    crf = DenseCRF(C, EXACT).double()
    crf.compatibility.data = random(C, C) - 0.3
    crf.weights.data = 3 * random(3, C, C)
    return crf, 2 * random(C, H, W), random(3, H, W), 1 + 0.3 * random(H, W)


def labellings_and_energies(crf, logits, image, depth):
    """All labellings (C^N, N) and their energies, from the definition."""
    N = H * W
    eye = torch.eye(N, dtype=torch.float64)
    kernels = [kernel(eye) for kernel in image_kernels(image, depth, 1, crf.config)]
    A, z = crf.compatibilities(), logits.reshape(C, N)
    labellings = torch.tensor(list(product(range(C), repeat=N)))
    energies = torch.stack([
        -sum(z[x[i], i] for i in range(N))
        + sum(A[m, x[i], x[j]] * kernels[m][i, j]
              for m in range(3) for i in range(N) for j in range(i + 1, N))
        for x in labellings])
    return labellings, energies


def enumerated_update(q, labellings, energies):
    """(N, C) exp of minus the expected energy given each label of each pixel."""
    N = H * W
    of_each = torch.stack([q[i, labellings[:, i]] for i in range(N)], 1)
    new = torch.empty_like(q)
    for i in range(N):
        others = of_each[:, [j for j in range(N) if j != i]].prod(1)
        for label in range(C):
            holds = labellings[:, i] == label
            new[i, label] = -(others * energies)[holds].sum()
    return new.softmax(1)


@pytest.mark.parametrize("updates", [1, 2, 5])
def test_every_update_is_that_of_the_expected_energy(field, updates):
    crf, logits, image, depth = field
    crf.config = replace(EXACT, training_iterations=updates, iterations=updates, min_probability=0)
    labellings, energies = labellings_and_energies(crf, logits, image, depth)
    q = logits.reshape(C, -1).T.softmax(1)
    for _ in range(updates):
        q = enumerated_update(q, labellings, energies)
    for mode in (True, False):
        marginals = crf.train(mode)(logits, image, depth).softmax(0).reshape(C, -1).T
        torch.testing.assert_close(marginals, q)
    flipped = DenseCRF(C, crf.config).double()
    flipped.compatibility.data, flipped.weights.data = -crf.compatibility.data, crf.weights.data
    wrong = flipped(logits, image, depth).softmax(0).reshape(C, -1).T
    assert (wrong - q).abs().max() > 0.1


def test_without_weights_the_network_answers_alone(field):
    crf, logits, image, depth = field
    crf.weights.data.zero_()
    torch.testing.assert_close(crf(logits, image, depth), logits)


def test_weakly_coupled_marginals_are_exact_to_first_order(field):
    crf, logits, image, depth = field
    weights, errors = crf.weights.data, []
    for coupling in (0.1, 0.05):
        crf.weights.data = coupling * weights
        labellings, energies = labellings_and_energies(crf, logits, image, depth)
        p = (-energies).softmax(0)
        exact = torch.stack([torch.stack([p[labellings[:, i] == label].sum()
                                          for label in range(C)]) for i in range(H * W)])
        marginals = crf.eval()(logits, image, depth).softmax(0).reshape(C, -1).T
        errors.append((marginals - exact).abs().max().item())
    assert errors[0] < 0.01
    assert errors[1] / errors[0] == pytest.approx(0.25, rel=0.2)


def test_the_depth_kernel_is_left_out_without_depth(field):
    crf, logits, image, depth = field
    without = crf(logits, image, None)
    crf.weights.data[1] = 0
    torch.testing.assert_close(crf(logits, image, depth), without)
    never = DenseCRF(len(logits), replace(crf.config, depth_weight=0.0)).eval()
    assert torch.equal(never(logits, image, depth), never(logits, image, None))


@pytest.fixture(scope="module")
def picture():
    """A noisy image of two colours whose border is not that of its depth, 24 x 32."""
    generator = torch.Generator().manual_seed(5)
    image = torch.full((3, 24, 32), 0.3)
    image[:, :, 16:] = 0.6
    depth = torch.full((24, 32), 2.0)
    depth[12:] = 3.0
    return ((image + 0.02 * torch.randn(image.shape, generator=generator)).clamp(0, 1),
            depth + 0.02 * torch.randn(depth.shape, generator=generator))


def test_the_lattice_is_close_to_all_pairs(picture):
    image, depth = picture
    config = DenseCRFConfig(appearance_colour=10.0)
    values = torch.rand((24 * 32, 5), generator=torch.Generator().manual_seed(1))
    exact = image_kernels(image, depth, 1, replace(config, backend="exact"))
    for kernel, reference in zip(image_kernels(image, depth, 1, config), exact):
        truth = reference(values)
        assert (kernel(values) - truth).norm() < 0.05 * truth.norm()
    logits = torch.randn((5, 24, 32), generator=torch.Generator().manual_seed(2))
    crf = DenseCRF(5, config).eval()
    fast = crf(logits, image, depth).softmax(0)
    crf.config = replace(config, backend="exact")
    slow = crf(logits, image, depth).softmax(0)
    assert (fast - slow).abs().mean() < 0.02
    assert (fast.argmax(0) == slow.argmax(0)).float().mean() > 0.97
    assert (fast.argmax(0) == logits.argmax(0)).float().mean() < 0.8


def test_labels_end_at_edges_of_colour_and_of_depth(picture):
    image, depth = picture
    truth = 2 * (depth > 2.5).long() + (image[0] > 0.45).long()
    generator = torch.Generator().manual_seed(7)
    logits = torch.nn.functional.one_hot(truth, 4).permute(2, 0, 1).float()
    logits = logits + 0.7 * torch.randn(logits.shape, generator=generator)
    crf = DenseCRF(4, DenseCRFConfig(appearance_colour=20.0, depth_distance=150.0)).eval()

    def accuracy(labels):
        return (labels.argmax(0) == truth).float().mean()

    assert accuracy(logits) < 0.85
    assert accuracy(crf(logits, image, depth)) > 0.97
    assert accuracy(crf(logits, image, depth)) > accuracy(crf(logits, image, None)) + 0.03


def test_gradients_reach_logits_and_compatibilities():
    generator = torch.Generator().manual_seed(1)
    image, depth, logits = (torch.rand(shape, generator=generator, dtype=torch.float64)
                            for shape in ((3, 4, 5), (4, 5), (2, 4, 5)))
    crf = DenseCRF(2, DenseCRFConfig(appearance_colour=60.0, training_iterations=2,
                                     max_pixels=10)).double()

    def answer(logits, compatibility, weights):
        parameters = {"compatibility": compatibility, "weights": weights}
        return torch.func.functional_call(crf, parameters, (logits, image, 1 + depth))

    assert torch.autograd.gradcheck(
        answer, (logits.requires_grad_(), crf.compatibility.detach().requires_grad_(),
                 crf.weights.detach().requires_grad_()))


def test_a_reduced_grid_gives_nearly_the_same_labels(picture):
    image, depth = picture
    truth = 2 * (depth > 2.5).long() + (image[0] > 0.45).long()
    logits = torch.nn.functional.one_hot(truth, 4).permute(2, 0, 1).float()
    generator = torch.Generator().manual_seed(2)
    logits = logits + 0.7 * torch.randn(logits.shape, generator=generator)
    config = DenseCRFConfig(appearance_colour=20.0, depth_distance=150.0)
    crf = DenseCRF(4, config).eval()
    full = crf(logits, image, depth).argmax(0)
    crf.config = replace(config, max_pixels=24 * 32 // 4)
    assert (crf(logits, image, depth).argmax(0) == full).float().mean() > 0.93
    assert [reduction(480, 640, n) for n in (10 ** 6, 19_200, 19_199)] == [1, 4, 5]


def test_kernels_leave_out_the_pixel_itself_and_sum_to_about_one():
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(9.0), indexing="ij")
    features = torch.stack([rows, columns], -1).reshape(-1, 2) / 2
    exact = exact_kernel(features)
    assert exact(torch.eye(108)).diagonal().abs().max() == 0
    ones = torch.ones(108, 1)
    assert 0.9 < exact(ones).mean() < 1
    values = torch.rand((108, 2), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(smoothness_kernel(12, 9, 2.0, 1, features)(values), exact(values))
    assert (lattice_kernel(features)(values) - exact(values)).abs().max() < 0.05


def test_settings_and_inputs_that_mean_nothing_are_refused():
    for changes in ({"depth_metres": 0.0}, {"iterations": 0}, {"min_probability": 1.0}):
        with pytest.raises(ValueError, match="got"):
            DenseCRFConfig(**changes)
    with pytest.raises(ValueError, match="one height and width"):
        DenseCRF(2)(torch.zeros(2, 4, 4), torch.zeros(3, 4, 5), None)
    with pytest.raises(ValueError, match="too many standard deviations"):
        lattice_kernel(torch.rand(10, 5) * 1e6)
