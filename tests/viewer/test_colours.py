"""What the points of the map are coloured by."""

import numpy as np
import pytest

from scenecode.networks.classes import NYU13
from scenecode.slam.records.snapshot import PointCloud
from scenecode.viewer.colours import cloud_colours


@pytest.fixture
def cloud() -> PointCloud:
    return PointCloud(points=np.zeros((3, 3), np.float32), colours=np.full((3, 3), 77, np.uint8),
                      labels=np.array([0, 4, 11], np.uint8),
                      confidence=np.array([0.0, 0.5, 1.0], np.float32))


def test_the_map_takes_the_images_or_the_classes_colours(cloud):
    assert np.array_equal(cloud_colours(cloud, NYU13, "image"), cloud.colours)
    expected = [NYU13.colours[i] for i in (0, 4, 11)]
    assert np.array_equal(cloud_colours(cloud, NYU13, "class"), expected)


def test_confidence_gets_brighter(cloud):
    brightness = cloud_colours(cloud, NYU13, "confidence").astype(int).sum(1)
    assert brightness[0] < brightness[1] < brightness[2]
