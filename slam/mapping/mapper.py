"""Mapping: keyframes are added, and those of a sliding window optimised in stages."""

from collections.abc import Callable

from torch import Tensor

from scenecode.networks.prediction import Predictor
from scenecode.optim.solvers.gauss_newton import GaussNewtonConfig, Solution, minimise
from scenecode.slam.bundle.marginalisation import marginalise
from scenecode.slam.bundle.window import Window
from scenecode.slam.config.mapping import MappingConfig, StageConfig
from scenecode.slam.loops.closure import LoopCloser
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.mapping.matching import match_keyframe
from scenecode.slam.mapping.scale import log_scale_to_neighbours
from scenecode.slam.mapping.work import (
    LoopsSearched,
    OptimiseStage,
    SearchLoops,
    StageOptimised,
    StepResult,
    Work,
)
from scenecode.slam.records.frame import PYRAMID_LEVELS, Frame
from scenecode.slam.tracking.tracker import TrackedFrame


class Mapper:
    """Adds keyframes and improves the window.  Owned by the mapping thread."""

    def __init__(self, config: MappingConfig, predictor: Predictor):
        self._config = config
        self._predictor = predictor
        self.reset()

    def reset(self) -> None:
        """Discard the map and begin an empty one."""
        self.graph = KeyframeGraph()
        self._loops = LoopCloser(self._config)
        #: keyframes that have left the window
        self._num_marginalised = 0
        self._pending: list[Work] = []

    def insert_tracked(self, frame: Frame, tracked: TrackedFrame) -> int:
        """Make a keyframe of a tracked frame, as ``insert``; returns its number.

        Its pose is composed of the motion that was tracked and the present pose and scale of the
        keyframe that it was tracked against: mapping may have changed both since.  A frame that
        begins a map discards the one before.
        """
        if tracked.begins_map:
            self.reset()
        if not len(self.graph):
            return self.insert(frame, tracked.T_world_cam.to(frame.image.device))
        T_world_cam = self.graph.pose_from_keyframe(tracked.keyframe, tracked.T_key_cam,
                                                    tracked.key_scale)
        return self.insert(frame, T_world_cam, tracked.keyframe)

    def insert(self, frame: Frame, T_world_cam: Tensor, tracked_against: int | None = None) -> int:
        """Make a keyframe at a pose (4, 4), link it and schedule its optimisation; returns its
        number.

        It is linked to its predecessors, as far as they overlap, and to the keyframe that it was
        ``tracked_against``, by default the one before: after a relocalisation an older one.  Its
        depth is rescaled towards theirs.
        """
        config, graph = self._config, self.graph
        keyframe = make_keyframe(frame, T_world_cam, self._predictor)
        self._marginalise_old()
        number = graph.add(keyframe, keyframe.initial_state())
        if number:
            self._link(number, number - 1 if tracked_against is None else tracked_against)
            log_scale = log_scale_to_neighbours(graph, number, config.geometric_level,
                                                config.link_overlap)
            graph.keyframes[number] = keyframe.rescaled(config.scale_share * log_scale)
        if config.landmarks.per_keyframe:
            match_keyframe(graph, number, config.landmarks)
        for old in graph.keyframes[:max(0, number + 1 - config.window - config.links)]:
            old.drop_caches()
        self._schedule(number)
        return number

    def _link(self, number: int, tracked_against: int) -> None:
        """Link a new keyframe to those before it that overlap, and to the one it was tracked
        against."""
        graph, coarsest = self.graph, PYRAMID_LEVELS - 1
        for earlier in range(max(0, number - self._config.links), number):
            overlap = min(graph.overlap(number, earlier, coarsest),
                          graph.overlap(earlier, number, coarsest))
            if overlap >= self._config.link_overlap:
                graph.link(number, earlier)
        graph.link(number, tracked_against)

    def _schedule(self, number: int) -> None:
        """Replace the pending work by that for a new keyframe; an unfinished search for loops of
        the one before comes first."""
        graph = self.graph
        unfinished = [work for work in self._pending if isinstance(work, SearchLoops)][-1:]
        stages = self._config.schedule if number else ()
        self._pending = [*unfinished, *(OptimiseStage(stage) for stage in stages)]
        if self._config.loops.enabled and self._config.landmarks.per_keyframe:
            self._loops.add(number, graph.keyframes[number])
            if self._loops.should_search(graph, number):
                search = SearchLoops(number, self._loops.search(graph, number))
                self._pending.append(search)

    def _marginalise_old(self) -> None:
        """Turn keyframes that are older than the window into marginal priors."""
        first = len(self.graph) - self._config.window
        while self._config.leaves_priors and self._num_marginalised < first:
            marginalise(self.graph, self._num_marginalised, self._config)
            self._num_marginalised += 1

    @property
    def has_work(self) -> bool:
        """Whether ``step`` has anything left to do."""
        return bool(self._pending)

    def step(self, should_stop: Callable[[], bool] = lambda: False) -> StepResult | None:
        """Do the next step of the pending work: a stage of the schedule, which ends early when
        ``should_stop``, or a piece of a search for loops.  None when nothing is pending."""
        if not self._pending:
            return None
        self._marginalise_old()
        work = self._pending[0]
        if isinstance(work, OptimiseStage):
            self._pending.pop(0)
            return StageOptimised(work.stage, self.optimise(work.stage, should_stop))
        loops = len(self.graph.loops)
        if next(work.pieces, work) is work:
            self._pending.pop(0)
        return LoopsSearched(work.keyframe, len(self.graph.loops) - loops)

    def optimise(self, stage: StageConfig,
                 should_stop: Callable[[], bool] = lambda: False) -> Solution:
        """Run one stage on the window and keep its outcome."""
        window = Window(self.graph, self._config, stage)
        config = GaussNewtonConfig(iterations=stage.iterations,
                                   tolerance=self._config.tolerance)
        solution = minimise(window.start(), window.linearise, window.retract, config, should_stop)
        window.keep(solution.state)
        return solution
