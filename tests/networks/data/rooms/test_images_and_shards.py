"""Rooms as training data: random views, camera effects, and the cache on disk."""

import numpy as np
import pytest
import torch

from scenecode.core.errors import DataError
from scenecode.networks.classes import NYU13
from scenecode.networks.data.rooms import (
    EffectsConfig,
    RoomConfig,
    RoomsImages,
    ViewsConfig,
    camera_effects,
)
from scenecode.networks.data.rooms.shards import RoomsShards, main, write_shards

ROOM = RoomConfig(side=(3.0, 3.4), density=0.4)
VIEWS = ViewsConfig(rooms=2, views_per_room=2, width=64, height=48)


@pytest.fixture(scope="module")
def images():
    return RoomsImages(VIEWS, ROOM)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_shards(folder, 3, VIEWS, ROOM)
    return folder


def test_samples_have_the_stated_form(images):
    sample = images[3]
    assert sample.image.shape == (3, 48, 64) and sample.image.dtype == torch.float32
    assert 0 <= sample.image.min() and sample.image.max() <= 1
    assert sample.depth.shape == (48, 64) and sample.depth.dtype == torch.float32
    assert sample.labels.dtype == torch.uint8 and sample.labels.max() < len(NYU13)
    assert (sample.camera.width, sample.camera.height) == (64, 48)
    assert len(images) == 4


@pytest.mark.slow
def test_items_do_not_depend_on_the_order_of_access(images):
    fresh = RoomsImages(VIEWS, ROOM)
    assert torch.equal(fresh[1].image, images[1].image)
    assert fresh[1].camera == images[1].camera
    assert not torch.equal(images[0].image, images[1].image)
    assert images[0].camera.fx != images[1].camera.fx


def test_beyond_the_end_is_an_index_error(images):
    with pytest.raises(IndexError):
        images[4]


@pytest.mark.slow
def test_shards_give_back_what_was_rendered(cache, images):
    shards = RoomsShards(cache)
    assert len(shards) == 3
    for index in range(3):
        kept, drawn = shards[index], images[index]
        assert torch.equal(kept.image, drawn.image) and torch.equal(kept.labels, drawn.labels)
        assert torch.allclose(kept.depth, drawn.depth, rtol=1e-3)
        assert kept.camera == drawn.camera


def test_finished_shards_are_kept(cache):
    before = (cache / "00000_images.npy").stat().st_mtime_ns
    write_shards(cache, 3, VIEWS, ROOM)
    assert (cache / "00000_images.npy").stat().st_mtime_ns == before


@pytest.mark.slow
def test_two_processes_write_the_same_shards(cache, tmp_path):
    write_shards(tmp_path, 3, VIEWS, ROOM, workers=2)
    for path in cache.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_damaged_shard_is_named(cache, tmp_path):
    for path in cache.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "00000_labels.npy").write_bytes(b"short")
    with pytest.raises(DataError, match="00000_labels.npy"):
        RoomsShards(tmp_path)


def test_the_error_for_a_folder_without_shards_names_the_command(tmp_path):
    with pytest.raises(DataError, match="--images"):
        RoomsShards(tmp_path)


def test_command_line_reports_a_wrong_texture_folder(tmp_path, capsys):
    code = main(["--out", str(tmp_path / "o"), "--images", "1", "--textures", str(tmp_path)])
    assert code == 1 and "sub-folders by material" in capsys.readouterr().err


def test_effects_switched_off_change_nothing():
    image = np.random.default_rng(0).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    off = EffectsConfig(exposure=0, drift=0, white_balance=0, contrast=0, blur=0, noise=0)
    assert (camera_effects(image, 1, config=off) == image).all()


def test_exposure_drifts_slowly_and_noise_is_fresh():
    image = np.full((40, 40, 3), 110, np.uint8)
    only_drift = EffectsConfig(exposure=0, white_balance=0, contrast=0, blur=0, noise=0, drift=0.2)
    levels = np.array([camera_effects(image, 3, k, config=only_drift).mean() for k in range(300)])
    assert np.ptp(levels) > 15 and np.abs(np.diff(levels)).max() <= 2
    a, b, again = (camera_effects(image, 4, k) for k in (0, 1, 0))
    assert (a == again).all() and (a != b).any()
