"""Parts, unions and compact files of maps."""

from dataclasses import replace

import numpy as np
import pytest
from support.stored_maps import META, difference, stored_map

from scenecode.core.errors import ResultError
from scenecode.slam.mapfile.editing import Selection, compact, cut, require_joinable, united
from scenecode.slam.mapfile.storage.database import Changes, Database
from scenecode.slam.mapfile.storage.reading import check, load
from scenecode.slam.mapfile.storage.records import StoredMap
from scenecode.slam.mapfile.storage.rows import keyframe_row
from scenecode.slam.mapfile.storage.schema import KEYFRAMES
from scenecode.slam.mapfile.storage.writing import write_map


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "map.scn"
    write_map(path, stored_map())
    return path


def test_a_part_of_a_map_is_a_map(tmp_path):
    original = stored_map()
    part = cut(original, {2, 3})
    write_map(tmp_path / "part.scn", part)
    found = load(tmp_path / "part.scn")
    assert set(found.keyframes) == {2, 3} and set(found.redirects) == {1}
    assert set(found.observations) == {(2, 3)} and set(found.links) == {(2, 3), (3, 2)}
    assert found.next_number == original.next_number
    # every frame that belongs to these or to the removed one whose heir is kept, and no other
    assert set(found.frames) == {0}
    assert len(found.frames[0]) == np.isin(original.frames[0].keyframe, [1, 2, 3]).sum()
    # the prior is on other keyframes: what it contained counts again
    assert found.prior is None and not any(found.links.values())
    assert cut(original, original.keyframes).prior is original.prior
    # depths from images of keyframes that are not kept would be computed again
    assert set(found.image_depths) == {3}


def test_keyframes_are_selected_by_number_time_session_and_place():
    original = stored_map()
    place = original.states[3].T_world_cam[:3, 3]
    assert Selection().numbers(original) == set(original.keyframes)
    assert Selection(keyframes=frozenset({0, 3, 99})).numbers(original) == {0, 3}
    assert Selection(time=(0.5, 1.1)).numbers(original) == {2, 3}
    assert Selection(sessions=frozenset({1})).numbers(original) == set()
    assert Selection(near=(*place, 0.01)).numbers(original) == {3}
    assert Selection(near=(*place, 0.01), time=(0.5, 0.9)).numbers(original) == set()


def test_two_maps_become_one_of_two_components(tmp_path):
    original = stored_map()
    both = united(original, original)
    write_map(tmp_path / "both.scn", both)
    found = load(tmp_path / "both.scn")
    assert len(found.keyframes) == 2 * len(original.keyframes)
    assert found.num_frames == 2 * original.num_frames and len(found.sessions) == 4
    assert found.components == (0, 1) and len(found.loops) == 2
    shift = original.next_number
    second = {n - shift for n, state in found.states.items() if state.component == 1}
    assert second == set(original.keyframes)
    assert found.redirects[1 + shift].heir == 2 + shift
    assert set(found.image_depths) == {0, 3, shift, 3 + shift}
    assert found.image_depths[shift].views == (2 + shift, 3 + shift)
    assert (found.frames[2].keyframe == found.frames[0].keyframe + shift).all()
    assert difference(cut(found, original.keyframes).landmarks, original.landmarks) < 1e-3


def test_maps_of_other_networks_or_classes_do_not_become_one():
    one = stored_map()
    other = replace(one, meta=replace(META, fingerprint="1" * 64, model="other"))
    with pytest.raises(ResultError, match="a.scn was made with the network 'made-up', b.scn"):
        require_joinable(one, other, ("a.scn", "b.scn"))
    with pytest.raises(ResultError, match="b.scn has no keyframes"):
        require_joinable(one, StoredMap(meta=META), ("a.scn", "b.scn"))
    with pytest.raises(ResultError, match="a.scn has every keyframe of b.scn already"):
        require_joinable(one, cut(one, [0, 2]), ("a.scn", "b.scn"))
    require_joinable(cut(one, [0, 2]), cut(one, [2, 3]), ("a.scn", "b.scn"))


def test_a_compact_file_has_every_keyframe_and_nothing_more(path):
    database, _ = Database.open(path, load)
    keyframe = replace(stored_map().keyframes[0], image=bytes(10 ** 5))
    images = [(KEYFRAMES, keyframe_row(replace(keyframe, number=n))) for n in (100, 101, 102)]
    database.commit(Changes(images))
    database.commit(Changes(removed=[(KEYFRAMES, row[:1]) for _, row in images]))
    database.close()
    large = path.stat().st_size
    compact(path)
    assert path.stat().st_size < large / 3
    assert difference(stored_map(), check(path)) < 1e-3
    assert [entry.name for entry in path.parent.iterdir()] == ["map.scn"]
