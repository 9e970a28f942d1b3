"""The cache gives what the data set gives, decodes once, and refuses another's file."""

import pytest
import torch
from support.numbered import Numbered

from scenecode.core.errors import DataError
from scenecode.networks.data.cached import CachedImages


def check_equal(a, b):
    torch.testing.assert_close(a.image, b.image)
    # half precision
    torch.testing.assert_close(a.depth, b.depth, rtol=2 ** -11, atol=0)
    assert torch.equal(a.labels, b.labels) and a.camera == b.camera and a.name == b.name


@pytest.mark.parametrize("in_file", [False, True])
def test_every_sample_is_kept(tmp_path, in_file):
    dataset = Numbered(250, tint=7)
    cache = CachedImages(dataset, tmp_path / "deep" / "c.npy" if in_file else None, workers=2)
    assert len(cache) == 250 and cache.classes == dataset.classes
    reads = len(dataset.reads)
    for i in range(250):
        check_equal(cache[i], Numbered(250, tint=7)[i])
    assert len(dataset.reads) == reads, "nothing is decoded again"


def test_a_sample_can_be_changed_without_harm(tmp_path):
    cache = CachedImages(Numbered(3), tmp_path / "c.npy")
    sample = cache[2]
    sample.image.zero_(), sample.depth.zero_(), sample.labels.zero_()
    check_equal(cache[2], Numbered(3)[2])


def test_an_existing_file_is_opened_not_made(tmp_path):
    CachedImages(Numbered(20), tmp_path / "c.npy")
    dataset = Numbered(20)
    cache = CachedImages(dataset, tmp_path / "c.npy")
    assert set(dataset.reads) == {0, 19}, "only the ends are compared"
    check_equal(cache[11], Numbered(20)[11])


def test_a_file_of_other_samples_is_refused(tmp_path):
    path = tmp_path / "c.npy"
    CachedImages(Numbered(20), path)
    for other in (Numbered(21), Numbered(20, tint=1)):
        with pytest.raises(DataError, match="c.npy: was made from other samples"):
            CachedImages(other, path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match="c.npy: is not a readable cache"):
        CachedImages(Numbered(20), path)


def test_a_broken_sample_leaves_no_file(tmp_path):
    with pytest.raises(DataError, match="13.png: cannot be decoded"):
        CachedImages(Numbered(20, broken=13), tmp_path / "c.npy")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="empty"):
        CachedImages(Numbered(0))
