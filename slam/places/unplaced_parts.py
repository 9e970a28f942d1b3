"""Parts of a map that are in world frames of their own: what a run mapped before it knew where in
a continued map its camera was."""

from collections.abc import Iterator

from scenecode.slam.config.mapping import MappingConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.places.joining import JoiningError, PartMatch, join, recognise
from scenecode.slam.places.known_places import KnownPlaces

#: Recognised keyframes that have to agree: two, as the first of them are often the only ones that
#: show what the map shows.
MIN_AGREEING = 2


class UnplacedParts:
    """Joins the parts of a map (``KeyframeGraph.part``) with those of lower numbers.  Owned by the
    mapping thread."""

    def __init__(self, places: KnownPlaces, config: MappingConfig):
        self._places = places
        self._config = config
        self._matches: list[PartMatch] = []

    def search(self, graph: KeyframeGraph, number: int) -> Iterator[None]:
        """Look for the place of a keyframe in the parts before its own, and join its part with
        the one where enough of its keyframes agree on where it is; yields between pieces of work.
        """
        if number not in graph.keyframes or not graph.part(number):
            return
        part = graph.part(number)
        later = {n for n in graph.keyframes if graph.part(n) >= part}
        for match in recognise(graph, later, [number], self._places):
            yield
            if match is None:
                return
            self._matches.append(match)
            # mapping may have culled either, or joined their parts, meanwhile
            matches = [m for m in self._matches if _parts(graph, m) == _parts(graph, match)]
            moved, target = _parts(graph, match)
            if target >= moved:
                return
            joining = join(graph, set(graph.keyframes) - graph.outside(moved), matches,
                           self._config, MIN_AGREEING)
            try:
                next(joining)
            except JoiningError:
                return  # until more are recognised
            # keyframes of the part that moved are elsewhere now
            self._matches = [m for m in self._matches if m not in matches]
            yield
            yield from joining


def _parts(graph: KeyframeGraph, match: PartMatch) -> tuple[int, int]:
    """The parts of a match's keyframes, the one to be moved first."""
    return graph.part(match.keyframe), graph.part(match.place.keyframe)
