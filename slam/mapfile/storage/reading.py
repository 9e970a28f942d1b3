"""A map file read back: every row checked by itself and against the others."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from scenecode.core.errors import ResultError
from scenecode.slam.mapfile.storage.database import damaged, reading
from scenecode.slam.mapfile.storage.records import MapMeta, StoredFrames, StoredMap
from scenecode.slam.mapfile.storage.rows import (
    BLOCK,
    ImageSize,
    Row,
    correction_from_row,
    frames_from_row,
    geometry_from_row,
    image_depth_from_row,
    keyframe_from_row,
    landmarks_from_row,
    link_from_row,
    loop_from_row,
    meta_from_rows,
    observation_from_row,
    prior_from_row,
    redirect_from_row,
    session_from_row,
    state_from_row,
    unsealed,
    window_from_rows,
)
from scenecode.slam.mapfile.storage.schema import (
    CORRECTIONS,
    FRAMES,
    GEOMETRIES,
    IMAGE_DEPTHS,
    KEYFRAMES,
    LANDMARKS,
    LINKS,
    LOOPS,
    META,
    OBSERVATIONS,
    PRIORS,
    REDIRECTS,
    SESSIONS,
    STATES,
    SqlTable,
)

T = TypeVar("T")


def load(path: str | Path) -> StoredMap:
    """Everything in a map file, which is not changed.

    Raises ``ResultError``, with file, rule and cure, for a file that is missing, no map, of a
    newer version, or damaged in any way.
    """
    path = Path(path)
    with reading(path) as connection:
        stored = _read(connection, path)
    try:
        _require_consistent(stored)
    except ValueError as error:
        raise damaged(path, str(error)) from error
    return stored


def check(path: str | Path) -> StoredMap:
    """As ``load``, after SQLite's own complete check of the file."""
    path = Path(path)
    with reading(path) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise damaged(path, str(verdict))
    return load(path)


def _read(connection: sqlite3.Connection, path: Path) -> StoredMap:
    def rows(table: SqlTable, convert: Callable[[Row], T]) -> Iterator[T]:
        for stored in connection.execute(f"SELECT * FROM {table.name} "
                                         f"ORDER BY {', '.join(table.key_columns)}"):
            key = ", ".join(str(value)[:40] for value in stored[:table.key])
            try:
                yield convert(unsealed(table, stored))
            except ValueError as error:
                raise damaged(path, f"table {table.name}, row {key}: {error}") from error

    facts: dict[str, str] = dict(rows(META, lambda row: (row[0], row[1])))
    try:
        meta = meta_from_rows(facts)
        active, next_number = window_from_rows(facts)
    except ValueError as error:
        raise damaged(path, f"table meta: {error}") from error
    size = ImageSize(meta.width, meta.height)
    blocks = rows(FRAMES, lambda row: (row[0], row[1], frames_from_row(row)))
    return StoredMap(
        meta=meta, active=active, next_number=next_number,
        sessions={entry.number: entry for entry in rows(SESSIONS, session_from_row)},
        keyframes={entry.number: entry for entry in rows(
            KEYFRAMES, lambda row: keyframe_from_row(row, size))},
        states={entry.number: entry for entry in rows(STATES, state_from_row)},
        geometries={entry.keyframe: entry for entry in rows(GEOMETRIES, geometry_from_row)},
        landmarks={entry.keyframe: entry for entry in rows(
            LANDMARKS, lambda row: landmarks_from_row(row, size))},
        observations={(entry.keyframe, entry.observer): entry for entry in rows(
            OBSERVATIONS, lambda row: observation_from_row(row, size))},
        links=dict(rows(LINKS, link_from_row)),
        loops=tuple(rows(LOOPS, loop_from_row)),
        redirects={entry.keyframe: entry for entry in rows(REDIRECTS, redirect_from_row)},
        prior=next(iter(list(rows(PRIORS, prior_from_row))), None),
        corrections=tuple(rows(CORRECTIONS, lambda row: correction_from_row(row, size))),
        image_depths={entry.keyframe: entry for entry in rows(
            IMAGE_DEPTHS, lambda row: image_depth_from_row(row, size))},
        frames=_joined_blocks(blocks, path))


def _joined_blocks(blocks: Iterator[tuple[int, int, StoredFrames]],
                   path: Path) -> dict[int, StoredFrames]:
    """Frames by session; all blocks of a session but its last are full."""
    parts: dict[int, list[StoredFrames]] = {}
    for session, block, frames in blocks:
        before = parts.setdefault(session, [])
        if block != len(before) or (before and len(before[-1]) != BLOCK):
            raise damaged(path, f"frames of session {session} are missing before block {block}")
        before.append(frames)
    names = tuple(vars(StoredFrames.empty()))
    return {session: StoredFrames(**{name: np.concatenate([getattr(part, name) for part in all_])
                                     for name in names})
            for session, all_ in parts.items()}


def _require_consistent(stored: StoredMap) -> None:
    """``ValueError`` with the rule between records that is broken."""
    known = stored.keyframes.keys()
    _require(stored.states.keys() == known, "a keyframe has no pose, or a pose no keyframe")
    sizes = {(len(state.code_depth), len(state.code_semantic)) for state in stored.states.values()}
    if stored.prior is not None:
        sizes.add((stored.prior.codes_depth.shape[1], stored.prior.codes_semantic.shape[1]))
    _require(len(sizes) <= 1, "codes have different sizes")
    _require(stored.next_number > max(known, default=-1), "the number of the next keyframe is one "
             "that was used")
    _require(all(k.session in stored.sessions for k in stored.keyframes.values()),
             "a keyframe belongs to a session that is missing")
    _require(stored.landmarks.keys() <= known, "landmarks belong to a keyframe that is missing")
    for number, geometry in stored.geometries.items():
        _require(number in known
                 and len(geometry.feature_depths) == len(stored.keyframes[number].pixels),
                 f"the depths of keyframe {number} are not those of its features")
    _require(set(stored.active) <= known, "an active keyframe is missing")
    for (a, b), observation in stored.observations.items():
        _require(a in stored.landmarks and b in known and a != b,
                 f"the observation of {a} in {b} lacks one of them")
        _require(observation.landmarks.max(initial=0) < max(len(stored.landmarks[a].pixels), 1)
                 or not len(observation.landmarks),
                 f"the observation of {a} in {b} is of more landmarks than there are")
    _require(all(a in known and b in known and a != b for a, b in stored.links),
             "a link leads to a keyframe that is missing")
    _require(all(max(loop.older, loop.newer) < stored.next_number and loop.older != loop.newer
                 for loop in stored.loops), "a loop leads to a keyframe that never was")
    _require([loop.number for loop in stored.loops] == [*range(len(stored.loops))],
             "a loop is missing")
    if stored.prior is not None:
        _require(set(stored.prior.numbers) <= known
                 and len(set(stored.prior.numbers)) == len(stored.prior.numbers),
                 "the prior constrains a keyframe that is missing")
    for correction in stored.corrections:
        _require(correction.keyframe in known and correction.label < len(stored.meta.classes),
                 f"correction {correction.number} is of a keyframe or a class that is missing")
    for number, found in stored.image_depths.items():
        _require(number in known
                 and max((*found.views, *found.linked), default=0) < stored.next_number
                 and len(found.code_depth) == len(stored.states[number].code_depth),
                 f"the depth from images of keyframe {number} is not of this map")
    _require_redirects(stored)
    for session, frames in stored.frames.items():
        _require_frames(session, frames, stored)


def _require_redirects(stored: StoredMap) -> None:
    _require(not stored.redirects.keys() & stored.keyframes.keys(),
             "a removed keyframe is still there")
    ends: set[int] = set(stored.keyframes)
    for start in stored.redirects:
        seen: set[int] = set()
        at = start
        while at not in ends:
            _require(at in stored.redirects and at not in seen,
                     f"what belongs to the removed keyframe {start} leads nowhere")
            seen.add(at)
            at = stored.redirects[at].heir
        ends |= seen


def _require_frames(session: int, frames: StoredFrames, stored: StoredMap) -> None:
    _require(session in stored.sessions, f"frames belong to a session {session} that is missing")
    _require(bool((np.diff(frames.timestamp) > 0).all() and (np.diff(frames.index) > 0).all()
                  and (frames.index >= 0).all()),
             f"the frames of session {session} are not in the order of time")
    used = set(np.unique(frames.keyframe).tolist())
    _require(used <= stored.keyframes.keys() | stored.redirects.keys() | {-1},
             f"a frame of session {session} belongs to a keyframe that is missing")


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(rule)


def require_same_network(meta: MapMeta, path: str | Path, fingerprint: str, model: str) -> None:
    """Raises ``ResultError`` unless the map of a file was made with this network: its codes mean
    nothing to another one."""
    if meta.fingerprint != fingerprint:
        raise ResultError(f"{path} was made with the network '{meta.model}' "
                          f"({meta.fingerprint[:12]}), this is '{model}' ({fingerprint[:12]}), "
                          "which cannot read its codes; give --model with the weights that made "
                          "the map, or continue it with 'scenecode run --recode'")
