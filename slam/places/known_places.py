"""The places that a map knows: a frame is recognised among all keyframes."""

from collections.abc import Collection, Iterator

from torch import Tensor

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.config.keyframes import KeyframeConfig
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.features.orb import Features
from scenecode.slam.features.place_index import PlaceIndex
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.places.confirmation import ImageQuery, MatchLimits, PlaceMatch, confirm
from scenecode.slam.places.view_overlap import CoarseViews
from scenecode.slam.records.frame import Frame

#: Share of the limits at which tracking wants a new keyframe that a known one may use up to be
#: tracked against: tracking would soon want another otherwise.
_HYSTERESIS = 0.6
#: The same for the share of pixels that are no inliers: errors of depth use most of it up at once.
_INLIER_HYSTERESIS = 0.9
#: Candidates that are tried: those found by pose, those found by features beside them, and those
#: found by features when no pose is known.
_BY_POSE, _BY_FEATURES_TOO, _BY_FEATURES_ONLY = 3, 1, 4
#: Distinctive matches of ORB features that a match needs, where the map predicts the pose, and
#: where it does not.
_MIN_INLIERS, _MIN_INLIERS_ANYWHERE = 15, 30
#: Smallest normalised cross-correlation of the images.
_MIN_NCC = 0.75
#: What a frame must fulfil that is searched in the whole map: distance over median depth, overlap,
#: and inlier ratio, which errors of depth make small when the camera is far from the keyframe.
_MAX_TRANSLATION, _MIN_OVERLAP, _MIN_INLIER_RATIO = 0.6, 0.4, 0.25


class KnownPlaces:
    """Finds the keyframe that shows what a frame shows.  Owned by the mapping thread.

    Keyframes are indexed at the first search after they were added; those that left the map are
    forgotten.
    """

    def __init__(self, tracking: TrackingConfig, keyframes: KeyframeConfig, min_votes: int):
        """``min_votes``: ORB features of a frame that must match a candidate's, as
        ``LoopClosureConfig.min_votes``."""
        self._tracking = tracking
        self._index = PlaceIndex(min_votes)
        self._views = CoarseViews()
        self._indexed: set[int] = set()
        self._to_go_on = MatchLimits(
            max_translation=_HYSTERESIS * keyframes.max_translation,
            min_overlap=1 - _HYSTERESIS * (1 - keyframes.min_overlap),
            min_inlier_ratio=1 - _INLIER_HYSTERESIS * (1 - keyframes.min_inlier_ratio),
            min_ncc=_MIN_NCC, min_inliers=_MIN_INLIERS)
        self._anywhere = MatchLimits(
            max_translation=_MAX_TRANSLATION, min_overlap=_MIN_OVERLAP,
            min_inlier_ratio=_MIN_INLIER_RATIO, min_ncc=_MIN_NCC,
            min_inliers=_MIN_INLIERS_ANYWHERE)

    def find(self, graph: KeyframeGraph, frame: Frame, T_world_cam: Tensor | None,
             exclude: Collection[int] = ()) -> PlaceMatch | None:
        """The keyframe of a map that shows what a frame shows, without those of ``exclude``.

        With a pose ``T_world_cam`` (4, 4) the keyframe must be near enough that tracking goes on
        against it without soon wanting a new one; its pose in the map, composed with
        ``T_key_frame``, may still contradict ``T_world_cam``, which is for the caller to compare.
        Without one the frame is searched in the whole map, and a match need only be certain.
        """
        query = ImageQuery.of_frame(frame)
        if T_world_cam is None:
            return self.search(graph, query, exclude)
        return self.find_near(graph, query, T_world_cam, exclude)

    def find_near(self, graph: KeyframeGraph, query: ImageQuery, T_world_cam: Tensor,
                  exclude: Collection[int] = ()) -> PlaceMatch | None:
        """As ``find`` for an image that was taken at a pose (4, 4)."""
        self._update(graph)
        for number, T_query_key in self._candidates(query, T_world_cam, exclude):
            match = confirm(graph, number, query, T_query_key, self._to_go_on, self._tracking)
            if match is not None:
                return match
        return None

    def search(self, graph: KeyframeGraph, query: ImageQuery,
               exclude: Collection[int] = ()) -> PlaceMatch | None:
        """The keyframe of a map that shows what an image shows, wherever that is, without those of
        ``exclude``; the one with most matches that agree."""
        self._update(graph)
        matches = [confirm(graph, number, query, None, self._anywhere, self._tracking)
                   for number in self._index.candidates(query.features, exclude,
                                                        _BY_FEATURES_ONLY)]
        return max((match for match in matches if match is not None),
                   key=lambda match: match.num_inliers, default=None)

    def similar_views(self, graph: KeyframeGraph, T_world_cam: Tensor, camera: PinholeCamera,
                      exclude: Collection[int]) -> list[int]:
        """Keyframes that look at what a camera at a pose (4, 4) looks at, best first: tracking
        could go on against them there."""
        self._update(graph)
        return [number for number, _ in self._near(camera, T_world_cam, exclude)]

    def look_alikes(self, graph: KeyframeGraph, features: Features,
                    exclude: Collection[int]) -> list[int]:
        """Keyframes that look like an image of these features, wherever they are, best first."""
        self._update(graph)
        return self._index.candidates(features, exclude)

    def _update(self, graph: KeyframeGraph) -> None:
        numbers = list(graph.keyframes)
        for number in self._indexed - set(numbers):
            self._index.remove(number)
        for number in numbers:
            if number not in self._indexed:
                self._index.add(number, graph.keyframes[number].features)
        self._indexed = set(numbers)
        self._views.update(graph, numbers)

    def _candidates(self, query: ImageQuery, T_world_cam: Tensor, exclude: Collection[int]
                    ) -> Iterator[tuple[int, Tensor | None]]:
        """Keyframes near a pose, then those that look like an image, each with ``T_query_key``
        where the map predicts it."""
        near = self._near(query.camera, T_world_cam, exclude)
        yield from near
        tried = {number for number, _ in near}
        for number in self._index.candidates(query.features, {*exclude, *tried},
                                             _BY_FEATURES_TOO):
            yield number, None

    def _near(self, camera: PinholeCamera, T_world_cam: Tensor,
              exclude: Collection[int]) -> list[tuple[int, Tensor]]:
        """The keyframes with the most similar views, best first."""
        views = self._views.overlaps(T_world_cam, camera)
        limits = self._to_go_on
        # of the limits; the larger of both decides
        used = (views.translation / limits.max_translation).maximum(
            (1 - views.overlap) / (1 - limits.min_overlap))
        chosen: list[tuple[int, Tensor]] = []
        for i in used.argsort().tolist():
            if float(used[i]) > 1 or len(chosen) == _BY_POSE:
                break
            number = int(views.numbers[i])
            if number not in exclude:
                chosen.append((number, views.T_cam_key[i].to(T_world_cam)))
        return chosen
