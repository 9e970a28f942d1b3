"""Mapping: requests for keyframes are answered by known or new ones, and those of a sliding window
optimised in stages."""

from collections import deque
from collections.abc import Callable, Sequence
from math import radians

from torch import Tensor

from scenecode.networks.prediction import Predictor
from scenecode.optim.geometry import se3
from scenecode.optim.solvers.gauss_newton import GaussNewtonConfig, Solution, minimise
from scenecode.slam.adjustment.frame_poses import FramePoses
from scenecode.slam.bundle.layout import Leaving
from scenecode.slam.bundle.marginalisation import marginalise
from scenecode.slam.bundle.window import Window
from scenecode.slam.config.keyframes import KeyframeConfig
from scenecode.slam.config.mapping import MappingConfig, StageConfig
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.loops import closure
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapping.culling import holds_together, is_confirmed
from scenecode.slam.mapping.matching import match_keyframe, match_pair
from scenecode.slam.mapping.scale import log_scale_to_neighbours
from scenecode.slam.mapping.spare_adjustment import SpareAdjustment
from scenecode.slam.mapping.work import (
    KeyframeAnswer,
    LoopsSearched,
    OptimiseStage,
    PlacePart,
    PlaceSearched,
    SearchLoops,
    StageOptimised,
    StepResult,
    Work,
)
from scenecode.slam.places.confirmation import ImageQuery, PlaceMatch
from scenecode.slam.places.known_places import KnownPlaces
from scenecode.slam.places.unplaced_parts import UnplacedParts
from scenecode.slam.records.frame import PYRAMID_LEVELS, Frame
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.timings import Timings
from scenecode.slam.tracking.tracker import TrackedFrame

#: Resting keyframes that hold one that is optimised again.
_ANCHORS = 4
#: Keyframes after a closed loop without a search.
_PAUSE = 2
#: Adjustments by images at the end: images show depth the better, the better poses are.
_ROUNDS_BY_IMAGES = 2
#: Difference between a pose that was measured against a known keyframe and that of the map, beyond
#: which the map has drifted and a loop has to be closed first: over median depth, and in radians.
_MAX_SHIFT, _MAX_TURN = 0.06, radians(2.5)


class Mapper:
    """Adds, reuses and culls keyframes and improves the window.  Owned by the mapping thread."""

    def __init__(self, config: MappingConfig, predictor: Predictor,
                 tracking: TrackingConfig = TrackingConfig(),
                 keyframes: KeyframeConfig = KeyframeConfig(), device: str = "cpu",
                 memory: WorkingMemory | None = None, loaded: KeyframeGraph | None = None,
                 localise: bool = False, timings: Timings | None = None,
                 recording: Recording | None = None):
        """``loaded`` is a map to continue, whose keyframes use ``memory``; to ``localise`` is to
        leave it as it is; ``recording`` has the frames that are tracked."""
        self._recording = Recording() if recording is None else recording
        self._config = config
        self._timings = Timings() if timings is None else timings
        self._memory = WorkingMemory(predictor, device) if memory is None else memory
        self._tracking, self._keyframes = tracking, keyframes
        self._loaded = KeyframeGraph() if loaded is None else _at_rest(loaded)
        self._localise = localise
        #: keyframes that are not culled: users stated labels of theirs; replaced by any thread
        self.kept: frozenset[int] = frozenset()
        self.reset()

    def reset(self) -> None:
        """Discard what was mapped and begin with the map that was loaded, or an empty one."""
        self.graph = self._loaded.frozen()
        #: number of the keyframe that frames are to be tracked against
        self.reference = self.graph.next_number
        self._places = KnownPlaces(self._tracking, self._keyframes, self._config.loops.min_votes)
        self._parts = UnplacedParts(self._places, self._config)
        #: part of a first keyframe: beside a loaded map, one of its own
        self._first_part = 0
        #: keyframes of parts that earlier runs left unplaced
        self._unplaced = [] if self._localise else [n for n in self.graph.keyframes
                                                    if self.graph.part(n)]
        #: keyframes that became active last
        self._recent: deque[int] = deque(maxlen=self._config.loops.min_age)
        self._leaving: list[Leaving] = []
        self._pending: list[Work] = []
        #: keyframes that may be redundant, the newest at the end
        self._suspects: list[int] = []
        self._adjustment = SpareAdjustment(self._config, self.graph, self._timings,
                                           self._recording, enabled=not self._localise)

    # --- requests ----------------------------------------------------------------------

    def answer(self, frame: Frame, tracked: TrackedFrame) -> KeyframeAnswer:
        """Answer the request of a tracked frame for a keyframe: by a known one that shows the
        same place, else by a new one.

        The frame's pose is composed of the motion that was tracked and the present pose and scale
        of the keyframe that it was tracked against: mapping may have changed both since.  A frame
        that begins a map discards the one before.
        """
        if tracked.begins_map:
            return KeyframeAnswer(keyframe=self._begin(frame, tracked), is_new=True)
        graph = self.graph
        against = graph.heir_of(tracked.keyframe)
        T_world_cam = graph.pose_from_keyframe(tracked.keyframe, tracked.T_key_cam,
                                               tracked.key_scale)
        similar: list[int] = []
        if self._config.reuse_keyframes or self._localise:
            with self._timings.part("search of places"):
                known = self._places.find(graph, frame, T_world_cam,
                                          exclude={against, *graph.outside(graph.part(against))})
            if self._localise:
                self.reference = against if known is None else known.keyframe
                return KeyframeAnswer(keyframe=self.reference, is_new=False)
            if known is not None and self._agrees(known, T_world_cam):
                self._reuse(known.keyframe, against)
                return KeyframeAnswer(keyframe=known.keyframe, is_new=False)
            similar = [] if known is None else [known.keyframe]
        number = self.insert(frame, T_world_cam, against, similar)
        return KeyframeAnswer(keyframe=number, is_new=True)

    def _begin(self, frame: Frame, tracked: TrackedFrame) -> int:
        """Begin a map, beside the one that was loaded if there is one."""
        self.reset()
        graph = self.graph
        if len(graph):
            self._first_part = 1 + max(graph.part_of.values(), default=0)
        return self.insert(frame, tracked.T_world_cam.to(frame.image.device))

    def prepare(self) -> None:
        """Do what the first search of a frame in a map that was loaded would wait for."""
        if len(self.graph):
            newest = self.graph.keyframes[self.graph.newest]
            self._places.search(self.graph, ImageQuery.of_keyframe(newest))

    def relocalise(self, frame: Frame) -> bool:
        """Search a frame of a lost camera in the whole map; where it is found, tracking goes on
        against the keyframe that shows its place."""
        if not len(self.graph):
            return False
        # rather where the world frame is the map's
        unplaced = self.graph.outside(0)
        found = self._places.find(self.graph, frame, None, exclude=unplaced)
        if found is None and unplaced and not self._localise:
            found = self._places.find(self.graph, frame, None)
        if found is not None:
            self.reference = found.keyframe
        return found is not None

    def _agrees(self, match: PlaceMatch, T_world_cam: Tensor) -> bool:
        """Whether a pose measured against a known keyframe is near that of the map."""
        measured = self.graph.states[match.keyframe].T_world_cam \
            @ match.T_key_frame.to(T_world_cam)
        change = se3.inverse(T_world_cam) @ measured
        shift = float(change[:3, 3].norm()) / self.graph.median_depth(match.keyframe)
        return shift <= _MAX_SHIFT and float(se3.rotation_angle(change)) <= _MAX_TURN

    def _reuse(self, number: int, tracked_against: int) -> None:
        """Go on with a known keyframe: link it to the one that was tracked against, and optimise
        it if it rested or gained a link."""
        graph = self.graph
        self._marginalise_old()
        self.reference = number
        gained = bool(self._measure_from(number, [tracked_against]))
        if number in graph.active:
            graph.active.remove(number)
            graph.active.append(number)
        elif not graph.is_absorbed_by_prior(number):
            graph.activate(number, _ANCHORS)
            self._rest_oldest()
            gained = True
        if number in self._recent:
            self._recent.remove(number)
        self._recent.append(number)
        if gained and number in graph.active:
            self._schedule_stages()

    # --- keyframes ---------------------------------------------------------------------

    def insert(self, frame: Frame, T_world_cam: Tensor, tracked_against: int | None = None,
               similar: list[int] | None = None) -> int:
        """Make a keyframe at a pose (4, 4), link it and schedule its optimisation; returns its
        number.

        It is linked to the keyframes that became active before it, as far as they overlap, and to
        the keyframe that it was ``tracked_against``, by default the one before.  Its depth is
        rescaled towards theirs.  Keyframes that look ``similar`` are searched for loops first.
        """
        config, graph = self._config, self.graph
        with self._timings.part("network and features"):
            keyframe = make_keyframe(frame, T_world_cam, self._memory)
        self._marginalise_old()
        before = list(graph.active)
        number = graph.add(keyframe, keyframe.initial_state())
        self.reference = number
        self._adjustment.note_added()
        self._recent.append(number)
        part = self._first_part if tracked_against is None else graph.part(tracked_against)
        if part:
            graph.part_of[number] = part
        is_first = not before and tracked_against is None
        # the most similar one at the end
        earlier = before
        if not is_first:
            against = before[-1] if tracked_against is None else tracked_against
            earlier = [*(n for n in before if n != against), against]
            for predecessor in before[-config.links:]:
                self._link_if_overlapping(number, predecessor)
            graph.link(number, against)
            log_scale = log_scale_to_neighbours(graph, number, config.geometric_level,
                                                config.link_overlap)
            # the scale of a place that was mapped long ago is the better one
            is_known = min(graph.neighbours(number)) < number - config.window
            share = 1.0 if is_known and config.reuse_keyframes else config.scale_share
            graph.keyframes[number] = keyframe.rescaled(share * log_scale)
        if config.landmarks.per_keyframe:
            with self._timings.part("matching"):
                match_keyframe(graph, number, earlier, config.landmarks)
        self._rest_oldest()
        if not is_first:
            self._schedule_stages()
        self._schedule_search(number, similar or [])
        if part:
            self._pending.append(self._place_part(number))
        return number

    def _link_if_overlapping(self, number: int, other: int) -> None:
        graph, coarsest = self.graph, PYRAMID_LEVELS - 1
        overlap = min(graph.overlap(number, other, coarsest),
                      graph.overlap(other, number, coarsest))
        if overlap >= self._config.link_overlap:
            graph.link(number, other)

    def _rest_oldest(self) -> None:
        """Take the keyframe that became active first out of a window that is too large."""
        graph = self.graph
        while len(graph.active) > self._config.window:
            # the newest one was never in one window with it
            leaving, *staying, _ = graph.active
            graph.rest(leaving)
            self._leaving.append(Leaving(leaving, tuple(staying)))

    def _marginalise_old(self) -> None:
        """Turn what keyframes that left the window told about others into marginal priors, and
        cull those of them that are redundant."""
        while self._leaving:
            leaving = self._leaving.pop(0)
            with self._timings.part("marginalisation"):
                if self._config.leaves_priors:
                    marginalise(self.graph, leaving, self._config)
            with self._timings.part("culling"):
                self._cull_if_redundant(leaving.keyframe)

    def _cull_if_redundant(self, number: int, by_image: bool = False) -> bool:
        """Cull a resting keyframe when others show all that it shows, one of them from so near
        that tracking could go on against that one: by the poses of the map, and ``by_image`` also
        as it is found for a frame, since where the map has drifted its poses do not tell."""
        graph = self.graph
        if not self._config.reuse_keyframes \
                or number in {*graph.origins, self.reference, *self.kept} \
                or number in graph.active:
            return False
        keyframe, T_world_cam = graph.keyframes[number], graph.states[number].T_world_cam
        others = {number, *graph.outside(graph.part(number))}
        like = self._places.similar_views(graph, T_world_cam, keyframe.camera, others)
        if not like or not is_confirmed(graph, number, like):
            return False
        heir = like[0]
        if by_image:
            found = self._places.find_near(graph, ImageQuery.of_keyframe(keyframe), T_world_cam,
                                           others)
            if found is None or not self._agrees(found, T_world_cam):
                return False
            heir = found.keyframe
        if holds_together(graph, number):
            # they only hold the map together: the window has enough residuals without them
            for other in self._measure_from(heir, graph.neighbours(number)):
                graph.absorbed_links |= {(heir, other), (other, heir)}
                graph.absorbed_observations |= {(heir, other), (other, heir)}
            if holds_together(graph, number):
                return False
        graph.cull(number, heir=heir)
        return True

    def _measure_from(self, number: int, others: Sequence[int]) -> list[int]:
        """Link a keyframe to others that overlap with it, and look for the landmarks of one in
        the other; those to which it had no link before."""
        graph, landmarks = self.graph, self._config.landmarks
        gained = [other for other in others
                  if other != number and (number, other) not in graph.links
                  and min(graph.coarse_overlap(number, other), graph.coarse_overlap(other, number))
                  >= self._config.link_overlap]
        for other in gained:
            graph.link(number, other)
            if landmarks.per_keyframe:
                match_pair(graph, number, other, landmarks)
        return gained

    def _adjust_and_cull(self) -> None:
        """Have the map adjusted and culled in spare time: places that were mapped twice have come
        to lie on each other."""
        self._adjustment.note_loop()
        self._suspects = list(self.graph.resting)

    # --- optimisation ------------------------------------------------------------------

    def _schedule_stages(self) -> None:
        """Replace pending stages by those of the whole schedule; an unfinished search for loops
        or for the place of the part comes first."""
        unfinished = [work for work in self._pending if not isinstance(work, OptimiseStage)][-1:]
        self._pending = [*unfinished, *(OptimiseStage(stage) for stage in self._config.schedule)]

    def _schedule_search(self, number: int, similar: list[int]) -> None:
        """Search for the loop that ends at a keyframe: not when all others are recent, or right
        after a loop."""
        config, graph = self._config, self.graph
        paused = bool(graph.loops) and number <= graph.loops[-1].newer + _PAUSE
        if not config.loops.enabled or not config.landmarks.per_keyframe or paused \
                or len(graph) <= config.loops.min_age:
            return
        near = {*self._recent, *graph.neighbours(number), *graph.outside(graph.part(number))}
        found = self._places.look_alikes(graph, graph.keyframes[number].features,
                                         exclude={*near, *similar})
        candidates = [*(n for n in similar if n not in near), *found]
        if candidates:
            pieces = closure.search(graph, number, candidates, config)
            self._pending.append(SearchLoops(number, pieces))

    @property
    def has_work(self) -> bool:
        """Whether ``step`` has anything left to do."""
        return bool(self._pending or self._unplaced)

    def step(self, should_stop: Callable[[], bool] = lambda: False) -> StepResult | None:
        """Do the next step of the pending work: a stage of the schedule, which ends early when
        ``should_stop``, or a piece of a search for loops.  None when nothing is pending."""
        if not self._pending and self._unplaced:
            number = self._unplaced.pop(0)
            self._pending.append(self._place_part(number))
        if not self._pending:
            return None
        self._marginalise_old()
        work = self._pending[0]
        if isinstance(work, OptimiseStage):
            self._pending.pop(0)
            stage = work.stage
            with self._timings.part(f"stage {stage.stage}, level {stage.level}"):
                return StageOptimised(stage, self.optimise(stage, should_stop))
        loops, parts = len(self.graph.loops), self.graph.part_of
        is_done = next(work.pieces, work) is work
        if is_done:
            self._pending.pop(0)
        if isinstance(work, PlacePart):
            if is_done and self.graph.part(work.keyframe) < work.part:
                self._adjust_and_cull()
            return PlaceSearched(work.keyframe, self.graph.part_of is not parts
                                 or len(self.graph.loops) > loops)
        closed = len(self.graph.loops) - loops
        if closed:
            self._adjust_and_cull()
        return LoopsSearched(work.keyframe, closed)

    def _place_part(self, number: int) -> PlacePart:
        return PlacePart(number, self.graph.part(number), self._parts.search(self.graph, number))

    # --- the whole map -------------------------------------------------------------------

    @property
    def has_spare_work(self) -> bool:
        """Whether ``work_in_spare_time`` has anything to do that is worth while already."""
        return bool(self._suspects) or self._adjustment.has_work

    def work_in_spare_time(self) -> bool:
        """Cull a keyframe that may have become redundant, the newest first, or else do the next
        piece of an adjustment of the whole map or, where that is large, of the keyframes around
        the present one; whether the map has changed."""
        if self._suspects:
            self._marginalise_old()
            number = self._suspects.pop()
            is_known = number in self.graph.keyframes
            return is_known and self._cull_if_redundant(number, by_image=True)
        has_changed = self._adjustment.piece(self.reference)
        if has_changed:
            self._suspects = list(self.graph.resting)
        return has_changed

    def finish(self) -> None:
        """Adjust the map to what was mapped last, and cull it."""
        adjustment = self._adjustment
        adjustment.complete(self.reference)
        if not adjustment.is_unfinished:
            return
        if adjustment.is_outdated:
            adjustment.whole(self.reference)
        self._suspects = list(self.graph.resting)
        while self._suspects:
            self.work_in_spare_time()
        # images show depth better where poses are adjusted already
        for _ in range(_ROUNDS_BY_IMAGES):
            adjustment.whole(self.reference, by_images=True)

    def frame_poses(self) -> FramePoses | None:
        """Poses of frames between keyframes in the finished map; None where they cannot be
        told better than they were tracked."""
        return self._adjustment.frame_poses()

    # --- one stage -----------------------------------------------------------------------

    def optimise(self, stage: StageConfig,
                 should_stop: Callable[[], bool] = lambda: False) -> Solution:
        """Run one stage on the window and keep its outcome."""
        window = Window(self.graph, self._config, stage)
        config = GaussNewtonConfig(iterations=stage.iterations,
                                   tolerance=self._config.tolerance)
        solution = minimise(window.start(), window.linearise, window.retract, config, should_stop)
        window.keep(solution.state)
        self._adjustment.note_optimised()
        return solution


def _at_rest(graph: KeyframeGraph) -> KeyframeGraph:
    """A map of which nothing is active."""
    graph = graph.frozen()
    graph.active.clear()
    graph.prior = None
    return graph
