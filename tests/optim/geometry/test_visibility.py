import torch

from scenecode.optim.geometry.visibility import nearest_points


def test_a_pixel_shows_the_nearest_of_the_points_that_fall_on_it():
    pixels = torch.tensor([[1.0, 0.0], [0.7, 0.4], [1.4, -0.4], [2.0, 1.0]])
    index = nearest_points(pixels, torch.tensor([3.0, 2.0, 2.5, 9.0]), width=3, height=2)
    assert index.tolist() == [[-1, 1, -1], [-1, -1, 3]]


def test_points_behind_or_outside_are_not_seen():
    pixels = torch.tensor([[1.0, 1.0], [1.0, 1.0], [-0.6, 0.0], [0.0, 1.6], [2.6, 0.0]])
    z = torch.tensor([-1.0, 0.0, 1.0, 1.0, 1.0])
    assert (nearest_points(pixels, z, width=3, height=2) == -1).all()


def test_many_points_agree_with_a_loop():
    pixels, z = 8 * torch.rand(500, 2) - 1, torch.rand(500) + 0.1
    index = nearest_points(pixels, z, width=6, height=5)
    for row in range(5):
        for column in range(6):
            on = (pixels.round().long() == torch.tensor([column, row])).all(1)
            expected = torch.where(on, z, torch.inf).argmin() if on.any() else -1
            assert index[row, column] == expected
