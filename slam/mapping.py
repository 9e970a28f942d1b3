"""Mapping: keyframes are added, and those of a sliding window optimised in stages."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from torch import Tensor

from networks.prediction import Predictor
from optim.gauss_newton import Solution, minimise
from slam.config import MappingConfig, StageConfig
from slam.frame import Frame
from slam.graph import KeyframeGraph
from slam.keyframe import make_keyframe
from slam.loop_closure import LoopCloser
from slam.marginalisation import marginalise
from slam.matching import match_keyframe, match_one_way
from slam.one_way import PassedFrame, make_one_way
from slam.scale import log_scale_beside
from slam.window import Window


class Mapper:
    """Adds keyframes and improves the window.  Owned by the mapping thread."""

    def __init__(self, config: MappingConfig, predictor: Predictor, levels: int):
        self._config = config
        self._predictor = predictor
        self._levels = levels
        self.begin_anew()

    def insert(self, frame: Frame, T_world_cam: Tensor, seen_from: int | None = None,
               passed: Sequence[PassedFrame] = ()) -> int:
        """Make a keyframe, link it and schedule its optimisation; returns its number.

        It is linked to its predecessors, as far as they see the same, and to the keyframe
        that it was ``seen_from``, by default the one before: after a loss an older one.  Its
        depth is brought nearer to theirs.  Frames that ``passed`` before it are compared with it
        and with the keyframe before them.
        """
        keyframe = make_keyframe(frame, T_world_cam, self._predictor, self._levels,
                                 self._config.matching.features)
        graph = self.graph
        self._let_go()
        number = graph.add(keyframe, keyframe.initial_state())
        coarsest = self._levels - 1
        seen_from = number - 1 if seen_from is None else seen_from
        for earlier in range(max(0, number - self._config.links), number):
            overlap = min(graph.overlap(number, earlier, coarsest),
                          graph.overlap(earlier, number, coarsest))
            if overlap >= self._config.link_overlap:
                graph.link(number, earlier)
        if number:
            graph.link(number, seen_from)
            beside = log_scale_beside(graph, number, self._config.geometric_level,
                                      self._config.link_overlap)
            graph.keyframes[number] = keyframe.stretched(self._config.scale_share * beside)
        if self._config.matching.points:
            match_keyframe(graph, number, self._config.matching)
        self._place_between(passed, number)
        for old in graph.keyframes[:max(0, number + 1 - self._config.window - self._config.links)]:
            old.rest()
        searches = self._config.loops.enabled and self._config.matching.points > 0
        # what was left of the search for the one before comes first
        unfinished = [entry for entry in self._pending if not isinstance(entry, StageConfig)][-1:]
        self._pending = [*unfinished, *(self._config.schedule if number else ())]
        if searches:
            self._loops.note(keyframe)
            if self._loops.wants(graph, number):
                self._pending.append(self._loops.search(graph, number))
        return number

    def _place_between(self, passed: Sequence[PassedFrame], number: int) -> None:
        """Have the newest keyframe, and their own, be compared with frames before it."""
        oldest = number + 1 - self._config.window
        graph = self.graph
        graph.one_way += [
            match_one_way(graph, make_one_way(frame, self._levels), (frame.keyframe, number),
                          self._config.matching)
            for frame in passed if oldest <= frame.keyframe < number]

    def _let_go(self) -> None:
        """Have keyframes that are older than the window leave their priors behind."""
        first = len(self.graph) - self._config.window
        while self._config.leaves_priors and self._left < first:
            marginalise(self.graph, self._left, self._config)
            self._left += 1
        self.graph.one_way = [frame for frame in self.graph.one_way if frame.keyframe >= first]

    def begin_anew(self) -> None:
        """Give the map up."""
        self.graph = KeyframeGraph()
        self._loops = LoopCloser(self._config)
        #: keyframes that have left the window
        self._left = 0
        #: stages to come, and searches for loops
        self._pending: list[StageConfig | Iterator[None]] = []

    @property
    def has_work(self) -> bool:
        return bool(self._pending)

    def step(self, should_stop: Callable[[], bool] = lambda: False) -> Solution | None:
        """Run the next stage of the schedule on the window, or the next piece of the search for
        a loop; returns the outcome of a stage."""
        if not self._pending:
            return None
        self._let_go()
        if isinstance(self._pending[0], StageConfig):
            return self.optimise(self._pending.pop(0), should_stop)
        if next(self._pending[0], self) is self:
            self._pending.pop(0)
        return None

    def optimise(self, stage: StageConfig,
                 should_stop: Callable[[], bool] = lambda: False) -> Solution:
        """Run one stage on the window and keep its outcome."""
        window = Window(self.graph, self._config, stage)
        config = replace(self._config.gauss_newton, iterations=stage.iterations)
        solution = minimise(window.start(), window.linearise, window.retract, config, should_stop)
        window.keep(solution.state)
        return solution
