import numpy as np
import torch

from scenecode.core.titles import TITLE_HEIGHT
from scenecode.networks.families.scenecode.jacobian_pictures import jacobian_sheet


def test_jacobians_are_red_where_they_raise():
    J = torch.zeros(2, 4, 4)
    J[0, :, :2], J[1, :, 2:] = 3.0, -1.5
    sheet = jacobian_sheet(torch.zeros(3, 8, 8), ["raises", "lowers"], {"": J})
    image, raises, lowers = np.split(sheet[TITLE_HEIGHT:], 3, axis=1)
    assert not image.any()
    assert raises[0, 0].tolist() == [255, 0, 0] and raises[0, 3].tolist() == [255, 255, 255]
    assert lowers[0, 3].tolist() == [128, 128, 255]
