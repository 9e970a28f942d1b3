"""Whole maps as new files."""

from pathlib import Path

from scenecode.slam.mapfile.storage.database import Changes, Database
from scenecode.slam.mapfile.storage.records import StoredFrames, StoredMap
from scenecode.slam.mapfile.storage.rows import (
    BLOCK,
    ImageSize,
    correction_row,
    frames_row,
    geometry_row,
    image_depth_row,
    keyframe_row,
    landmarks_row,
    loop_row,
    meta_rows,
    observation_row,
    prior_row,
    redirect_row,
    session_row,
    state_row,
    window_rows,
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
)


def write_map(path: str | Path, stored: StoredMap) -> None:
    """Write a map to a new file, which appears whole.

    Raises ``ResultError`` where there is a file already, and where it cannot be written.
    """
    Database.create(Path(path), all_rows(stored)).close()


def all_rows(stored: StoredMap) -> Changes:
    """Every row of a map."""
    size = ImageSize(stored.meta.width, stored.meta.height)
    rows = [(META, row) for row in meta_rows(stored.meta)]
    rows += [(META, row) for row in window_rows(stored.active, stored.next_number)]
    rows += [(SESSIONS, session_row(entry)) for entry in stored.sessions.values()]
    rows += [(KEYFRAMES, keyframe_row(entry)) for entry in stored.keyframes.values()]
    rows += [(STATES, state_row(entry)) for entry in stored.states.values()]
    rows += [(GEOMETRIES, geometry_row(entry)) for entry in stored.geometries.values()]
    rows += [(LANDMARKS, landmarks_row(entry, size)) for entry in stored.landmarks.values()]
    rows += [(OBSERVATIONS, observation_row(entry, size))
             for entry in stored.observations.values()]
    rows += [(LINKS, (*pair, absorbed)) for pair, absorbed in stored.links.items()]
    rows += [(LOOPS, loop_row(entry)) for entry in stored.loops]
    rows += [(REDIRECTS, redirect_row(entry)) for entry in stored.redirects.values()]
    rows += [(CORRECTIONS, correction_row(entry)) for entry in stored.corrections]
    rows += [(IMAGE_DEPTHS, image_depth_row(entry)) for entry in stored.image_depths.values()]
    if stored.prior is not None:
        rows.append((PRIORS, prior_row(stored.prior)))
    changes = Changes(rows)
    for session, frames in stored.frames.items():
        add_frames(changes, session, 0, frames)
    return changes


def add_frames(changes: Changes, session: int, first_block: int, frames: StoredFrames) -> None:
    """Add the blocks of a session's frames from a block's first one on."""
    for start in range(0, len(frames), BLOCK):
        part = frames.at(slice(start, start + BLOCK))
        changes.rows.append((FRAMES, frames_row(session, first_block + start // BLOCK, part)))
