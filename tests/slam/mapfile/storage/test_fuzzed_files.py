"""A damaged or forged map file gives a clear error or a valid map, and stays as it is.

``SCENECODE_FUZZ=20000 pytest tests/slam/mapfile/storage/test_fuzzed_files.py`` tries so many files
of each kind.
"""

import os
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from support.stored_maps import stored_map

from scenecode.core.errors import ScenecodeError
from scenecode.slam.mapfile.storage.reading import load
from scenecode.slam.mapfile.storage.rows import sealed
from scenecode.slam.mapfile.storage.schema import TABLES
from scenecode.slam.mapfile.storage.writing import write_map

FILES = int(os.environ.get("SCENECODE_FUZZ", "60"))
PAGE = 4096


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("original") / "map.scn"
    write_map(path, stored_map())
    return path.read_bytes()


def flip_bytes(rng, data):
    for at in rng.integers(0, len(data), rng.integers(1, 20)):
        data[at] ^= rng.integers(1, 256)


def truncate(rng, data):
    del data[int(rng.integers(0, len(data))):]


def overwrite_a_piece(rng, data):
    start = int(rng.integers(0, len(data)))
    length = min(int(rng.integers(1, 3 * PAGE)), len(data) - start)
    data[start:start + length] = rng.bytes(length) if rng.random() < 0.5 else bytes(length)


def swap_pages(rng, data):
    a, b = (PAGE * int(n) for n in rng.integers(1, len(data) // PAGE, 2))
    data[a:a + PAGE], data[b:b + PAGE] = data[b:b + PAGE], data[a:a + PAGE]


def swap_pieces(rng, data):
    length = int(rng.integers(1, 200))
    a, b = (int(n) for n in rng.integers(100, len(data) - length, 2))
    data[a:a + length], data[b:b + length] = data[b:b + length], data[a:a + length]


@pytest.mark.parametrize("damage", [flip_bytes, truncate, overwrite_a_piece, swap_pages,
                                    swap_pieces])
def test_damaged_bytes(damage, original, tmp_path):
    path = tmp_path / "map.scn"
    refused = 0
    for seed in range(FILES):
        data = bytearray(original)
        damage(np.random.default_rng(seed), data)
        path.write_bytes(data)
        refused += is_refused(path)
        assert path.read_bytes() == bytes(data), seed
        assert [entry.name for entry in tmp_path.iterdir()] == ["map.scn"]
    assert refused > FILES / 4


def garbage(rng, value):
    """Another value in place of one in a row."""
    kind = rng.integers(6)
    if isinstance(value, bytes) and kind < 4:
        data = bytearray(value)
        if kind == 0 and data:
            data[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
        elif kind == 1:
            data = data[:int(rng.integers(len(data) + 1))]
        elif kind == 2:
            data = bytearray(rng.bytes(len(data)))
        else:
            data += rng.bytes(int(rng.integers(1, 100)))
        return bytes(data)
    choices = (0, 1, 2, -1, 7, 255, 1 << 31, 1 << 62, 0.0, -1e300, 1e-300, 1.5, "", "text", "[]",
               "{}", "[1e999]", "9" * 5000, b"", b"\0" * 48, rng.bytes(1000))
    return choices[int(rng.integers(len(choices)))]


def change_a_row(rng, path, with_checksum):
    """One value of one row, or one row less or one of another key; ``with_checksum`` as a forger
    would do it."""
    table = TABLES[int(rng.integers(len(TABLES)))]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        rows = connection.execute(f"SELECT rowid, * FROM {table.name}").fetchall()
        rowid, *values, checksum = rows[int(rng.integers(len(rows)))]
        at = int(rng.integers(len(values) + 1))
        if at == len(values):
            connection.execute(f"DELETE FROM {table.name} WHERE rowid = ?", (rowid,))
            return
        values[at] = garbage(rng, values[at])
        row = (*values, checksum)
        if with_checksum:
            kinds = tuple(table.columns.values())
            if not isinstance(values[at], kinds[at]):
                return
            row = sealed(table, tuple(values))
        places = ", ".join("?" * len(row))
        connection.execute(f"DELETE FROM {table.name} WHERE rowid = ?", (rowid,))
        connection.execute(f"INSERT OR REPLACE INTO {table.name} VALUES ({places})", row)


@pytest.mark.slow
@pytest.mark.parametrize("with_checksum", [False, True])
def test_changed_rows(with_checksum, original, tmp_path):
    path = tmp_path / "map.scn"
    refused = 0
    for seed in range(3 * FILES):
        path.write_bytes(original)
        try:
            change_a_row(np.random.default_rng(seed), path, with_checksum)
        except (sqlite3.Error, OverflowError):
            continue    # SQLite's own rules
        before = path.read_bytes()
        refused += is_refused(path)
        assert path.read_bytes() == before, seed
    assert refused > FILES / 2


def is_refused(path):
    try:
        load(path)
    except ScenecodeError as error:
        assert str(path) in str(error)
        return True
    return False
