"""What is in a map file, in numbers."""

from datetime import datetime, timezone
from pathlib import Path
from typing import TypedDict

import numpy as np

from scenecode.slam.mapfile.storage.database import size_on_disk
from scenecode.slam.mapfile.storage.reading import load
from scenecode.slam.mapfile.storage.records import StoredMap
from scenecode.slam.mapfile.storage.schema import (
    GEOMETRIES,
    IMAGE_DEPTHS,
    KEYFRAMES,
    LANDMARKS,
    LINKS,
    OBSERVATIONS,
    STATES,
)
from scenecode.slam.mapfile.storage.writing import all_rows

#: Tables whose rows belong to keyframes.
_OF_KEYFRAMES = (KEYFRAMES, STATES, GEOMETRIES, LANDMARKS, OBSERVATIONS, LINKS, IMAGE_DEPTHS)


class SessionSummary(TypedDict):
    """One run that wrote into the map."""

    source: str
    #: ISO 8601, UTC
    started: str
    frames: int
    keyframes: int


class Summary(TypedDict):
    """Of a whole map."""

    keyframes: int
    #: keyframes that others replaced
    culled: int
    frames: int
    #: frames whose pose is unknown
    lost: int
    loops: int
    landmarks: int
    #: parts that share no world frame
    components: int
    #: of the file, with what a killed run left beside it
    bytes: int
    #: what all tables hold of a keyframe, its image included, on average; None without keyframes
    bytes_per_keyframe: int | None
    classes: list[str]
    #: name or path of the weights, and the SHA-256 of their file
    model: str
    fingerprint: str
    #: of the network's images
    width: int
    height: int
    #: ISO 8601, UTC
    created: str
    updated: str
    #: of scenecode, when it wrote the file last
    version: str
    sessions: list[SessionSummary]


def summarise(path: str | Path) -> Summary:
    """The numbers of a map file; raises as ``reading.load``."""
    path = Path(path)
    stored = load(path)
    meta = stored.meta
    return Summary(
        keyframes=len(stored.keyframes),
        culled=len(stored.redirects),
        frames=stored.num_frames,
        lost=int(sum(np.count_nonzero(frames.lost) for frames in stored.frames.values())),
        loops=len(stored.loops),
        landmarks=sum(len(entry.pixels) for entry in stored.landmarks.values()),
        components=len(stored.components),
        bytes=size_on_disk(path),
        bytes_per_keyframe=_bytes_per_keyframe(stored),
        classes=list(meta.classes.names),
        model=meta.model,
        fingerprint=meta.fingerprint,
        width=meta.width,
        height=meta.height,
        created=_iso(meta.created),
        updated=_iso(meta.updated),
        version=meta.version,
        sessions=[_session(stored, number) for number in sorted(stored.sessions)])


def _bytes_per_keyframe(stored: StoredMap) -> int | None:
    if not stored.keyframes:
        return None
    rows = [row for table, row in all_rows(stored).rows if table in _OF_KEYFRAMES]
    return round(sum(_size(value) for row in rows for value in row) / len(stored.keyframes))


def _size(value: object) -> int:
    return len(value) if isinstance(value, (bytes, str)) else 8


def _session(stored: StoredMap, number: int) -> SessionSummary:
    session = stored.sessions[number]
    return SessionSummary(
        source=session.source,
        started=_iso(session.started),
        frames=len(stored.frames[number]) if number in stored.frames else 0,
        keyframes=sum(keyframe.session == number for keyframe in stored.keyframes.values()))


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
