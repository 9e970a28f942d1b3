"""A map file that a run keeps up to date, and a map that is loaded from a file."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from scenecode.core.errors import ResultError
from scenecode.core.version import __version__
from scenecode.slam.corrections.correction import CorrectionList
from scenecode.slam.fusion.image_depths import MatchedDepth
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile import conversion
from scenecode.slam.mapfile.editing import on_one_timeline
from scenecode.slam.mapfile.storage.database import Changes, Database
from scenecode.slam.mapfile.storage.reading import load, require_same_network
from scenecode.slam.mapfile.storage.records import MapMeta, StoredMap, StoredSession
from scenecode.slam.mapfile.storage.rows import (
    BLOCK,
    ImageSize,
    Row,
    correction_row,
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
    SqlTable,
)
from scenecode.slam.mapfile.storage.writing import add_frames
from scenecode.slam.mapping.map_update import MapUpdate
from scenecode.slam.tracking.frame_rows import homogeneous

#: By table and key: the objects that a row was made of, which never change themselves.
Sources = dict[SqlTable, dict[Row, tuple[Any, ...]]]


@dataclass(frozen=True)
class LoadedMap:
    """A map of a file, ready to be tracked against and continued."""

    meta: MapMeta
    graph: KeyframeGraph
    sessions: dict[int, StoredSession]
    #: by session: (N,) ``scenecode.slam.tracking.frame_rows.FRAME_ROW``
    frames: dict[int, np.ndarray]
    corrections: CorrectionList = CorrectionList()
    #: what images gave for the depths of keyframes
    image_depths: Mapping[int, MatchedDepth] = field(default_factory=dict)


def load_map(path: str | Path, memory: WorkingMemory, device: str = "cpu") -> LoadedMap:
    """The map of a file, which is not changed; ``memory`` runs the network that the map was made
    with (``reading.require_same_network``).  Raises as ``reading.load``."""
    return live_map(load(path), memory, device)


def open_or_create(path: str | Path, meta: MapMeta, memory: WorkingMemory, source: str,
                   device: str = "cpu") -> "tuple[MapFile, LoadedMap | None]":
    """The file in which a run of a ``source`` keeps its map, and the map in it, None for a new
    file; ``meta`` (``fingerprint.map_meta``) is of a new map that this run would make.

    Raises as ``MapFile.create`` and ``MapFile.open``, and ``ResultError`` for the map of another
    network, label set or image size.
    """
    if not Path(path).exists():
        return MapFile.create(path, meta, source), None
    return MapFile.open(path, memory, source, device, lambda found: require_same_network(
        found, path, meta.fingerprint, meta.model))


def live_map(stored: StoredMap, memory: WorkingMemory, device: str = "cpu") -> LoadedMap:
    """The same of a map that was read already; the frames of its sessions are in one order of
    time (``editing.on_one_timeline``)."""
    stored = on_one_timeline(stored)
    graph = conversion.to_graph(stored, memory, device)
    return LoadedMap(
        meta=stored.meta, graph=graph, image_depths=conversion.matched_depths(stored, graph),
        sessions=stored.sessions,
        frames={n: conversion.frame_rows(frames) for n, frames in stored.frames.items()},
        corrections=conversion.correction_list(stored))


class MapFile:
    """Writes what changes in a live map into its file.  Used by one thread at a time.

    Other runs cannot write the file until ``close``, or the end of the process.
    """

    def __init__(self, database: Database, meta: MapMeta, session: int):
        self._database = database
        self._meta = meta
        #: number of the run that writes
        self.session = session
        #: what the rows of the file were made of
        self._written: Sources = {}
        #: the graph of the last commit
        self._graph: KeyframeGraph | None = None
        self._corrections = CorrectionList()
        self._image_depths: Mapping[int, MatchedDepth] = {}
        #: by keyframe of an earlier run: the session it was made in
        self._inherited: dict[int, int] = {}
        #: frames of this session in the file, and the index of the last one
        self._num_frames, self._last_index = 0, -1
        #: ``Recording.replaced`` when they were written
        self._replaced = 0
        #: how many of them are at the keyframes that they were tracked against
        self._num_final = 0

    @property
    def path(self) -> Path:
        return self._database.path

    @staticmethod
    def create(path: str | Path, meta: MapMeta, source: str) -> "MapFile":
        """A new file for the map of a ``source``.

        Raises ``ResultError`` where there is a file already and where it cannot be written.
        """
        content = Changes([(META, row) for row in (*meta_rows(meta), *window_rows((), 0))])
        content.rows.append((SESSIONS, session_row(StoredSession(
            number=0, source=source, started=meta.created))))
        return MapFile(Database.create(Path(path), content), meta, session=0)

    @staticmethod
    def open(path: str | Path, memory: WorkingMemory, source: str, device: str = "cpu",
             require: Callable[[MapMeta], None] = lambda meta: None
             ) -> "tuple[MapFile, LoadedMap]":
        """An existing file, to be continued with a ``source`` as another session, and the map in
        it, whose graph is to be given to ``commit`` from now on.

        ``require`` may refuse the map by an error.  Raises as ``reading.load``, and
        ``ResultError`` while another run writes the file.
        """
        def read(file: Path) -> StoredMap:
            stored = load(file)
            require(stored.meta)
            return stored

        database, stored = Database.open(Path(path), read)
        try:
            loaded = live_map(stored, memory, device)
            number = 1 + max(stored.sessions, default=-1)
            session = StoredSession(number=number, source=source, started=time.time())
            database.commit(Changes([(SESSIONS, session_row(session))]))
        except BaseException:
            database.close()
            raise
        file = MapFile(database, stored.meta, number)
        file._inherited = {n: entry.session for n, entry in stored.keyframes.items()}
        file._written = _sources(loaded.graph, loaded.corrections) \
            | _depth_sources(loaded.graph, loaded.image_depths)
        return file, loaded

    def commit(self, update: MapUpdate) -> None:
        """Bring the file up to the map of an update, and the frames tracked so far, in one
        transaction: what was written survives the end of the process.

        Raises ``ResultError`` for a full disk and the like; the file then holds the map of an
        earlier update.
        """
        graph = update.graph
        lost = self._inherited.keys() - graph.keyframes.keys() - graph.redirects.keys()
        if lost:
            raise ResultError(f"{self.path}: keyframe {min(lost)} of an earlier run is not in the "
                              "map any more; nothing was written, so that the file keeps it")
        # while only frames are added, the same graph comes again
        current: Sources = {}
        if graph is not self._graph or update.corrections is not self._corrections:
            current = _sources(graph, update.corrections)
        if current or update.image_depths is not self._image_depths:
            current = current | _depth_sources(graph, update.image_depths)
        changes = _difference(self._written, current, self._row_makers(update))
        tracked = update.recording.tracked
        is_replaced = update.recording.replaced != self._replaced
        self._add_frames(changes, tracked, 0 if is_replaced else self._num_final, graph)
        if changes:
            self._meta = replace(self._meta, version=__version__, updated=time.time())
            changes.rows += [(META, row) for row in meta_rows(self._meta)
                             if row[0] in ("version", "updated")]
            self._database.commit(changes)
        self._graph, self._corrections = graph, update.corrections
        self._image_depths, self._written = update.image_depths, self._written | current
        ahead = tracked["keyframe"] >= graph.next_number
        self._num_final = int(ahead.argmax()) if ahead.any() else len(tracked)
        self._last_index = int(tracked["frame_index"][-1]) if len(tracked) else -1
        self._num_frames, self._replaced = len(tracked), update.recording.replaced

    def close(self) -> None:
        """Leave one file that holds everything, and let others write it."""
        self._database.close()

    def _row_makers(self, update: MapUpdate) -> dict[SqlTable, Callable[..., Row]]:
        """Functions of the columns of a key that give its row."""
        graph = update.graph
        stated = {entry.number: entry for entry in update.corrections.entries}
        size = ImageSize(self._meta.width, self._meta.height)
        facts: dict[str, str] = dict(window_rows(graph.active, graph.next_number))
        keyframes, observations = graph.keyframes, graph.observations

        def keyframe(n: int) -> Row:
            session = self._inherited.get(n, self.session)
            return keyframe_row(conversion.stored_keyframe(n, keyframes[n], session))

        def geometry(n: int) -> Row:
            known = graph.known_geometry(n)
            assert known is not None    # its key comes from those that are
            return geometry_row(conversion.stored_geometry(n, known))

        def observation(a: int, b: int) -> Row:
            absorbed = (a, b) in graph.absorbed_observations
            return observation_row(conversion.stored_observation(
                (a, b), observations[a, b], absorbed), size)

        def prior(n: int) -> Row:
            assert graph.prior is not None
            return prior_row(conversion.stored_prior(graph.prior))

        return {
            META: lambda name: (name, facts[name]),
            KEYFRAMES: keyframe,
            STATES: lambda n: state_row(conversion.stored_state(
                n, graph.states[n], keyframes[n], graph.part(n))),
            GEOMETRIES: geometry,
            LANDMARKS: lambda n: landmarks_row(conversion.stored_landmarks(
                n, graph.landmarks[n]), size),
            OBSERVATIONS: observation,
            LINKS: lambda a, b: (a, b, (a, b) in graph.absorbed_links),
            LOOPS: lambda n: loop_row(conversion.stored_loop(n, graph.loops[n])),
            REDIRECTS: lambda n: redirect_row(conversion.stored_redirect(n, graph.redirects[n])),
            PRIORS: prior,
            CORRECTIONS: lambda n: correction_row(conversion.stored_correction(stated[n])),
            IMAGE_DEPTHS: lambda n: image_depth_row(conversion.stored_image_depth(
                n, update.image_depths[n]))}

    def _add_frames(self, changes: Changes, tracked: np.ndarray, first: int,
                    graph: KeyframeGraph) -> None:
        """Add those of this session's frames, from the ``first`` one on, that the file does not
        hold, or not as they are."""
        held = self._num_frames
        if len(tracked) < held or (held and tracked["frame_index"][held - 1] != self._last_index):
            # the run began its map anew
            changes.removed.append((FRAMES, (self.session,)))
            first = 0
        if len(tracked) > first:
            block = first // BLOCK
            frames = _at_known_keyframes(tracked[block * BLOCK:], graph)
            add_frames(changes, self.session, block, conversion.stored_frames(frames))


def _sources(graph: KeyframeGraph, corrections: CorrectionList) -> Sources:
    """Of every row that a live map has in its file, without its frames and its depths from
    images."""
    keyframes = graph.keyframes
    geometries = {n: graph.known_geometry(n) for n in keyframes}
    return {
        META: {row[:1]: row[1:] for row in window_rows(graph.active, graph.next_number)},
        KEYFRAMES: {(n,): (keyframe.image,) for n, keyframe in graph.keyframes.items()},
        STATES: {(n,): (state, keyframes[n].scale, float(graph.part(n)),
                        keyframes[n].motion_at_scale_1) for n, state in graph.states.items()},
        GEOMETRIES: {(n,): (entry,) for n, entry in geometries.items() if entry is not None},
        LANDMARKS: {(n,): (entry,) for n, entry in graph.landmarks.items()},
        OBSERVATIONS: {pair: (entry, pair in graph.absorbed_observations)
                       for pair, entry in graph.observations.items()},
        LINKS: {pair: (pair in graph.absorbed_links,) for pair in graph.links},
        LOOPS: {(n,): (loop,) for n, loop in enumerate(graph.loops)},
        REDIRECTS: {(n,): (entry,) for n, entry in graph.redirects.items()},
        PRIORS: {} if graph.prior is None else {(0,): (graph.prior,)},
        CORRECTIONS: {(entry.number,): (entry,) for entry in corrections.entries
                      if entry.keyframe in keyframes}}


def _depth_sources(graph: KeyframeGraph, matched: Mapping[int, MatchedDepth]) -> Sources:
    return {IMAGE_DEPTHS: {(n,): (entry,) for n, entry in matched.items()
                           if n in graph.keyframes}}


def _difference(written: Sources, current: Sources,
                makers: dict[SqlTable, Callable[..., Row]]) -> Changes:
    """Rows that are made of other objects than those written, and rows that are no more."""
    changes = Changes()
    for table, now in current.items():
        before = written.get(table, {})
        changes.removed += [(table, key) for key in before.keys() - now.keys()]
        changes.rows += [(table, makers[table](*key)) for key, sources in now.items()
                         if key not in before or not _are_same(before[key], sources)]
    return changes


def _are_same(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    return all(a is b or (isinstance(a, (str, bool, float)) and a == b)
               for a, b in zip(before, now, strict=True))


def _at_known_keyframes(rows: np.ndarray, graph: KeyframeGraph) -> np.ndarray:
    """Frames (N,) ``FRAME_ROW`` so that each belongs to a keyframe of the graph or of its
    redirects, or to none.

    Those that were tracked against a keyframe that the graph does not have yet are given to its
    newest one, at the pose that they had; those whose keyframe is gone belong to none.
    """
    known = np.array([*graph.keyframes, *graph.redirects], np.int64)
    gone = ~np.isin(rows["keyframe"], known)
    if not gone.any():
        return rows
    rows = rows.copy()
    ahead = gone & (rows["keyframe"] >= graph.next_number)
    if len(graph) and ahead.any():
        newest = graph.newest
        T_key_world = np.linalg.inv(graph.states[newest].T_world_cam.double().numpy(force=True))
        T_world_cam = homogeneous(rows["T_world_cam"][ahead])
        rows["T_key_cam"][ahead] = (T_key_world @ T_world_cam)[:, :3]
        rows["keyframe"][ahead], rows["key_scale"][ahead] = newest, graph.keyframes[newest].scale
        gone &= ~ahead
    rows["keyframe"][gone], rows["lost"][gone] = -1, True
    return rows
