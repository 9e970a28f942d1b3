"""A map that is continued before it is known where in it the camera is."""

from collections.abc import Iterator

from scenecode.slam.config.mapping import MappingConfig
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.places.joining import JoiningError, PartMatch, join, recognise
from scenecode.slam.places.known_places import KnownPlaces

#: Recognised keyframes that have to agree: two, as the first of them are often the only ones that
#: show what the map shows.
MIN_AGREEING = 2


class UnplacedPart:
    """The keyframes of a run that are in a world frame of their own, in the graph of the map that
    is continued.  Owned by the mapping thread."""

    def __init__(self, places: KnownPlaces, config: MappingConfig):
        self._places = places
        self._config = config
        #: the keyframes; none when the part has been joined with the map
        self.numbers: set[int] = set()
        self._matches: list[PartMatch] = []

    def accepts(self, tracked_against: int | None) -> bool:
        """Whether a keyframe that was tracked against another one, None for the first, is in the
        part."""
        return tracked_against is None or tracked_against in self.numbers

    def add(self, number: int) -> None:
        """Count a keyframe to the part; its frame is not that of the map."""
        self.numbers.add(number)

    def search(self, graph: KeyframeGraph, number: int) -> Iterator[None]:
        """Look for the place of a keyframe of the part in the rest of the map, and join both when
        enough agree on where it is; yields between pieces of work.  Poses move at the first yield
        after which ``numbers`` is empty."""
        if number not in self.numbers or number not in graph.keyframes:
            return
        self.numbers &= graph.keyframes.keys()
        for match in recognise(graph, self.numbers, [number], self._places):
            yield
            if match is None:
                return
            self._matches.append(match)
        joining = join(graph, self.numbers, self._matches, self._config, MIN_AGREEING)
        try:
            next(joining)
        except JoiningError:
            return  # until more are recognised
        self.numbers, self._matches = set(), []
        yield
        yield from joining
