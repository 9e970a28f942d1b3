"""Two maps of one place become one map in one world frame."""

from collections.abc import Callable

from scenecode.core.errors import ResultError
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile.conversion import from_graph
from scenecode.slam.mapfile.editing import require_joinable, united
from scenecode.slam.mapfile.map_file import live_map
from scenecode.slam.mapfile.storage.records import StoredMap
from scenecode.slam.places.joining import JoiningError, join, recognise
from scenecode.slam.places.known_places import KnownPlaces


def merge(first: StoredMap, second: StoredMap, names: tuple[str, str], memory: WorkingMemory,
          config: SlamConfig, on_keyframe: Callable[[], None] = lambda: None) -> StoredMap:
    """Both maps in the world frame of the first one: the second one's keyframes are recognised in
    the first, and loops are closed between both.

    ``memory`` runs the network that made both; ``on_keyframe`` is called after every keyframe of
    the second that was searched in the first.  Raises ``ResultError``, with the ``names`` of the
    files, for maps of different networks or label sets, and of different places.
    """
    require_joinable(first, second, names)
    stored = united(first, second)
    loaded = live_map(stored, memory, config.device)
    graph = loaded.graph
    part = sorted(graph.keyframes.keys() - first.keyframes.keys())
    places = KnownPlaces(config.tracking, config.keyframes, config.mapping.loops.min_votes)
    matches = []
    for match in recognise(graph, set(part), part, places):
        on_keyframe()
        if match is not None:
            matches.append(match)
    try:
        for _ in join(graph, set(part), matches, config.mapping):
            pass
    except JoiningError as error:
        raise ResultError(f"{names[0]} and {names[1]} cannot be merged: {error}") from error
    return from_graph(graph, stored.meta, stored.sessions,
                      lambda number: stored.keyframes[number].session, loaded.frames,
                      loaded.corrections, loaded.image_depths)
