"""A run that is killed at any moment leaves a map with everything that it had committed."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.stored_maps import stored_map

from scenecode.slam.mapfile.storage.database import Changes, Database
from scenecode.slam.mapfile.storage.reading import check, load
from scenecode.slam.mapfile.storage.rows import keyframe_row, state_row, window_rows
from scenecode.slam.mapfile.storage.schema import KEYFRAMES, META, STATES
from scenecode.slam.mapfile.storage.writing import write_map

TESTS = Path(__file__).parents[3]
KILLS = 3

#: Writes until it is killed.
_WRITER = """
import sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from test_killed_writers import write_until_killed
write_until_killed(Path(sys.argv[1]))
"""


def changes(number):
    """The ``number``-th keyframe, and every keyframe moved to x = ``number``."""
    original = stored_map()
    keyframe, state = original.keyframes[0], original.states[0]
    T = state.T_world_cam.copy()
    T[0, 3] = number
    rows = [(KEYFRAMES, keyframe_row(replace(keyframe, number=number)))]
    rows += [(STATES, state_row(replace(state, number=n, T_world_cam=T)))
             for n in (*sorted(original.keyframes), *range(original.next_number, number + 1))]
    rows += [(META, row) for row in window_rows(original.active, number + 1)]
    return Changes(rows)


def write_until_killed(path):
    """Add one keyframe after the other, and say so after every commit."""
    database, stored = Database.open(path, load)
    number = stored.next_number
    while True:
        database.commit(changes(number))
        print(number, flush=True)
        number += 1


@pytest.mark.slow
def test_what_was_committed_before_a_kill_is_there_and_goes_on(tmp_path):
    path = tmp_path / "map.scn"
    write_map(path, stored_map())
    rng = np.random.default_rng(0)
    last = stored_map().next_number - 1
    for _ in range(KILLS):
        command = [sys.executable, "-c", _WRITER, path, TESTS, Path(__file__).parent]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            for _ in range(int(rng.integers(1, 60))):
                last = int(writer.stdout.readline())
            writer.kill()
            said = writer.stdout.read().split()
        last = int(said[-1]) if said else last
        stored = check(path)
        # all of it, or of the commit that was under way
        assert max(stored.keyframes) in (last, last + 1)
        assert {state.T_world_cam[0, 3] for state in stored.states.values()} \
            == {max(stored.keyframes)}
