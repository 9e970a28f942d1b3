"""Parts of maps, several maps as one, and maps without what nothing needs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scenecode.core.errors import ResultError
from scenecode.slam.mapfile.storage.database import Changes, Database
from scenecode.slam.mapfile.storage.reading import load
from scenecode.slam.mapfile.storage.records import StoredFrames, StoredLoop, StoredMap
from scenecode.slam.mapfile.storage.schema import REDIRECTS, SESSIONS

#: Seconds between two sessions whose times overlap.
_PAUSE = 1.0


@dataclass(frozen=True)
class Selection:
    """Which keyframes of a map are wanted: those that meet every condition that is given."""

    #: numbers
    keyframes: frozenset[int] | None = None
    #: numbers of sessions
    sessions: frozenset[int] | None = None
    #: first and last second, in the time of the source
    time: tuple[float, float] | None = None
    #: x, y, z of a place, and how far from it the camera may be, metres
    near: tuple[float, float, float, float] | None = None

    def numbers(self, stored: StoredMap) -> set[int]:
        """The keyframes of a map that are selected."""
        return {number for number, keyframe in stored.keyframes.items()
                if (self.keyframes is None or number in self.keyframes)
                and (self.sessions is None or keyframe.session in self.sessions)
                and (self.time is None or self.time[0] <= keyframe.timestamp <= self.time[1])
                and (self.near is None or self._is_near(stored.states[number].T_world_cam))}

    def _is_near(self, T_world_cam: np.ndarray) -> bool:
        assert self.near is not None
        *place, radius = self.near
        return bool(np.linalg.norm(T_world_cam[:3, 3] - np.array(place)) <= radius)


def cut(stored: StoredMap, kept: Iterable[int]) -> StoredMap:
    """The map of some keyframes: with what connects them, and the frames that belong to them.

    The world frame and all numbers stay.  A marginal prior stays if it constrains no other
    keyframe; otherwise the residuals that it contains count again.
    """
    kept = set(kept) & stored.keyframes.keys()
    heirs = final_heirs(stored)
    redirects = {number: redirect for number, redirect in stored.redirects.items()
                 if heirs[number] in kept}
    prior = stored.prior
    if prior is not None and not set(prior.numbers) <= kept:
        prior = None
    usable = np.array([-1, *kept, *redirects], np.int64)
    frames = {session: entry.at(np.isin(entry.keyframe, usable[1:]))
              for session, entry in stored.frames.items()}
    frames = {session: entry for session, entry in frames.items() if len(entry)}
    keyframes = {n: entry for n, entry in stored.keyframes.items() if n in kept}
    sessions = frames.keys() | {entry.session for entry in keyframes.values()}
    return replace(
        stored, keyframes=keyframes, prior=prior, redirects=redirects, frames=frames,
        sessions={n: entry for n, entry in stored.sessions.items() if n in sessions},
        states={n: entry for n, entry in stored.states.items() if n in kept},
        geometries={n: entry for n, entry in stored.geometries.items() if n in kept},
        landmarks={n: entry for n, entry in stored.landmarks.items() if n in kept},
        observations={pair: replace(entry, absorbed=entry.absorbed and prior is not None)
                      for pair, entry in stored.observations.items() if kept.issuperset(pair)},
        links={pair: absorbed and prior is not None for pair, absorbed in stored.links.items()
               if kept.issuperset(pair)},
        corrections=tuple(entry for entry in stored.corrections if entry.keyframe in kept),
        # those of other views are out of date
        image_depths={n: entry for n, entry in stored.image_depths.items()
                      if kept.issuperset((n, *entry.views))},
        loops=_numbered(loop for loop in stored.loops if {loop.older, loop.newer} <= kept),
        active=tuple(n for n in stored.active if n in kept) or tuple(sorted(kept)[-1:]))


def final_heirs(stored: StoredMap) -> dict[int, int]:
    """By removed keyframe: the keyframe that its frames belong to in the end."""
    heirs = {}
    for number in stored.redirects:
        heir = stored.redirects[number].heir
        while heir in stored.redirects:
            heir = stored.redirects[heir].heir
        heirs[number] = heir
    return heirs


def united(first: StoredMap, second: StoredMap) -> StoredMap:
    """Both maps in one, as components that share no world frame: the numbers of the second one's
    keyframes, sessions and components follow those of the first one.

    The second one's marginal prior goes; the residuals that it contains count again.
    """
    keyframe = _shift(first.next_number)
    session = _shift(1 + max(first.sessions, default=-1))
    correction = _shift(max((entry.number for entry in first.corrections), default=0))
    component = _shift(1 + max(first.components, default=-1))
    return replace(
        first,
        sessions=first.sessions | {session(n): replace(entry, number=session(n))
                                   for n, entry in second.sessions.items()},
        keyframes=first.keyframes | {
            keyframe(n): replace(entry, number=keyframe(n), session=session(entry.session))
            for n, entry in second.keyframes.items()},
        states=first.states | {
            keyframe(n): replace(entry, number=keyframe(n), component=component(entry.component))
            for n, entry in second.states.items()},
        geometries=first.geometries | {keyframe(n): replace(entry, keyframe=keyframe(n))
                                       for n, entry in second.geometries.items()},
        landmarks=first.landmarks | {keyframe(n): replace(entry, keyframe=keyframe(n))
                                     for n, entry in second.landmarks.items()},
        observations=first.observations | {
            (keyframe(a), keyframe(b)): replace(entry, keyframe=keyframe(a), observer=keyframe(b),
                                                absorbed=False)
            for (a, b), entry in second.observations.items()},
        links=first.links | {(keyframe(a), keyframe(b)): False for a, b in second.links},
        loops=_numbered((*first.loops, *(
            replace(entry, older=keyframe(entry.older), newer=keyframe(entry.newer))
            for entry in second.loops))),
        corrections=first.corrections + tuple(
            replace(entry, number=correction(entry.number), keyframe=keyframe(entry.keyframe))
            for entry in second.corrections),
        image_depths=first.image_depths | {keyframe(n): replace(
            entry, keyframe=keyframe(n), views=tuple(map(keyframe, entry.views)),
            linked=tuple(map(keyframe, entry.linked)))
            for n, entry in second.image_depths.items()},
        redirects=first.redirects | {
            keyframe(n): replace(entry, keyframe=keyframe(n), heir=keyframe(entry.heir))
            for n, entry in second.redirects.items()},
        frames=first.frames | {session(n): _renumbered(entry, keyframe)
                               for n, entry in second.frames.items()},
        next_number=keyframe(second.next_number))


def on_one_timeline(stored: StoredMap) -> StoredMap:
    """The map with the frames of all sessions in one order of time: the indices of a later session
    follow those of the one before, and so do its times, by a second, unless they are later anyway.
    """
    frames, shifts, last_time, next_index = {}, {}, -np.inf, 0
    for number in sorted(stored.sessions):
        stamps = [k.timestamp for k in stored.keyframes.values() if k.session == number]
        indices = [k.frame_index for k in stored.keyframes.values() if k.session == number]
        if number in stored.frames:
            stamps += stored.frames[number].timestamp[[0, -1]].tolist()
            indices += stored.frames[number].index[[0, -1]].tolist()
        if not stamps:
            continue
        time = 0.0 if min(stamps) > last_time else last_time + _PAUSE - min(stamps)
        index = 0 if min(indices) >= next_index else next_index - min(indices)
        last_time, next_index = max(stamps) + time, max(indices) + index + 1
        shifts[number] = time, index
        if number in stored.frames:
            entry = stored.frames[number]
            frames[number] = replace(entry, timestamp=entry.timestamp + time,
                                     index=entry.index + index)
    keyframes = {n: replace(entry, timestamp=entry.timestamp + shifts[entry.session][0],
                            frame_index=entry.frame_index + shifts[entry.session][1])
                 for n, entry in stored.keyframes.items()}
    return replace(stored, keyframes=keyframes, frames=frames)


def require_joinable(first: StoredMap, second: StoredMap, names: tuple[str, str]) -> None:
    """Raises ``ResultError`` unless two maps, of files so named, are of one network and label
    set, and either has keyframes that the other has not."""
    a, b = first.meta, second.meta
    if a.fingerprint != b.fingerprint:
        raise ResultError(f"{names[0]} was made with the network '{a.model}', {names[1]} with "
                          f"'{b.model}'; maps can be merged when one network made both")
    if a.classes != b.classes:
        raise ResultError(f"{names[0]} and {names[1]} have different label sets; maps can be "
                          "merged when they have the same classes")
    _require_more(first, second, names)
    _require_more(second, first, (names[1], names[0]))


def _require_more(whole: StoredMap, part: StoredMap, names: tuple[str, str]) -> None:
    """Raises ``ResultError`` unless ``part`` has keyframes that ``whole`` has not."""
    if not part.keyframes:
        raise ResultError(f"{names[1]} has no keyframes, so there is nothing to merge")
    if {entry.image for entry in part.keyframes.values()} <= \
            {entry.image for entry in whole.keyframes.values()}:
        raise ResultError(f"{names[0]} has every keyframe of {names[1]} already, so there is "
                          "nothing to merge; give maps of different recordings")


def compact(path: str | Path) -> None:
    """Make a file as small as it can be: rows that nothing needs any more and unused pages go,
    every keyframe and frame stays.

    Raises ``ResultError`` as ``reading.load``, and while another run writes the file.
    """
    database, stored = Database.open(Path(path), load)
    try:
        used = {int(n) for entry in stored.frames.values() for n in np.unique(entry.keyframe)}
        needed = set()
        for number in used:
            while number in stored.redirects:
                needed.add(number)
                number = stored.redirects[number].heir
        sessions = stored.frames.keys() | {k.session for k in stored.keyframes.values()}
        database.commit(Changes(removed=[
            *((REDIRECTS, (n,)) for n in stored.redirects.keys() - needed),
            *((SESSIONS, (n,)) for n in stored.sessions.keys() - sessions)]))
        database.vacuum()
    finally:
        database.close()


def _numbered(loops: Iterable[StoredLoop]) -> tuple[StoredLoop, ...]:
    return tuple(replace(loop, number=number) for number, loop in enumerate(loops))


def _shift(offset: int) -> Callable[[int], int]:
    return lambda number: number + offset


def _renumbered(frames: StoredFrames, keyframe: Callable[[int], int]) -> StoredFrames:
    keyframes = np.where(frames.keyframe < 0, -1, keyframe(0) + frames.keyframe)
    return replace(frames, keyframe=keyframes)
