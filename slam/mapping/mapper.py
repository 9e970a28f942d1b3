"""Mapping: keyframes are added, and those of a sliding window optimised in stages."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from torch import Tensor

from scenecode.networks.prediction import Predictor
from scenecode.optim.solvers.gauss_newton import Solution, minimise
from scenecode.slam.bundle.marginalisation import marginalise
from scenecode.slam.bundle.window import Window
from scenecode.slam.config.slam_config import MappingConfig, StageConfig
from scenecode.slam.loops.closure import LoopCloser
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.mapping.matching import match_keyframe
from scenecode.slam.mapping.scale import log_scale_to_neighbours
from scenecode.slam.records.frame import PYRAMID_LEVELS, Frame


class Mapper:
    """Adds keyframes and improves the window.  Owned by the mapping thread."""

    def __init__(self, config: MappingConfig, predictor: Predictor):
        self._config = config
        self._predictor = predictor
        self.reset()

    def insert(self, frame: Frame, T_world_cam: Tensor, seen_from: int | None = None) -> int:
        """Make a keyframe, link it and schedule its optimisation; returns its number.

        It is linked to its predecessors, as far as they see the same, and to the keyframe
        that it was ``seen_from``, by default the one before: after a loss an older one.  Its
        depth is brought nearer to theirs.
        """
        keyframe = make_keyframe(frame, T_world_cam, self._predictor,
                                 self._config.matching.features)
        graph = self.graph
        self._marginalise_old()
        number = graph.add(keyframe, keyframe.initial_state())
        coarsest = PYRAMID_LEVELS - 1
        seen_from = number - 1 if seen_from is None else seen_from
        for earlier in range(max(0, number - self._config.links), number):
            overlap = min(graph.overlap(number, earlier, coarsest),
                          graph.overlap(earlier, number, coarsest))
            if overlap >= self._config.link_overlap:
                graph.link(number, earlier)
        if number:
            graph.link(number, seen_from)
            beside = log_scale_to_neighbours(graph, number, self._config.geometric_level,
                                      self._config.link_overlap)
            graph.keyframes[number] = keyframe.rescaled(self._config.scale_share * beside)
        if self._config.matching.points:
            match_keyframe(graph, number, self._config.matching)
        for old in graph.keyframes[:max(0, number + 1 - self._config.window - self._config.links)]:
            old.drop_caches()
        searches = self._config.loops.enabled and self._config.matching.points > 0
        # what was left of the search for the one before comes first
        unfinished = [entry for entry in self._pending if not isinstance(entry, StageConfig)][-1:]
        self._pending = [*unfinished, *(self._config.schedule if number else ())]
        if searches:
            self._loops.note(keyframe)
            if self._loops.wants(graph, number):
                self._pending.append(self._loops.search(graph, number))
        return number

    def _marginalise_old(self) -> None:
        """Have keyframes that are older than the window leave their priors behind."""
        first = len(self.graph) - self._config.window
        while self._config.leaves_priors and self._num_marginalised < first:
            marginalise(self.graph, self._num_marginalised, self._config)
            self._num_marginalised += 1

    def reset(self) -> None:
        """Give the map up."""
        self.graph = KeyframeGraph()
        self._loops = LoopCloser(self._config)
        #: keyframes that have left the window
        self._num_marginalised = 0
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
        self._marginalise_old()
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
