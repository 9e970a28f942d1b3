"""Keyframes as label fusion takes them, kept for the next fusion: a keyframe is fused with each of
its neighbours, and most of them have not changed since."""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenecode.networks.prediction import resize_maps
from scenecode.optim.warp import ViewState
from scenecode.slam.config.fusion import FusionConfig
from scenecode.slam.fusion.depth_refinement import log_depth_corrections, refined_depth
from scenecode.slam.fusion.fusion_inputs import are_similar
from scenecode.slam.fusion.image_depths import ImageDepth
from scenecode.slam.fusion.label_views import LabelView
from scenecode.slam.fusion.packed_maps import CORRECTIONS, PackedMap
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe

#: Views with predictions that are kept, at most.
MAX_VIEWS = 24


@dataclass(frozen=True)
class OwnView:
    """A keyframe as label fusion takes it."""

    #: with the codes that it was computed from
    coded: ViewState
    #: with its pose, and its scale
    state: ViewState
    scale: float
    label_view: LabelView
    #: ln of factors of the code's depth: exactly, or those of a similar code
    corrections: PackedMap | None
    #: what images showed of its depth
    image_depth: ImageDepth | None
    exactly: bool

    def will_do(self, state: ViewState, scale: float, exactly: bool) -> bool:
        """Whether its depth and labels will do for a state: unless they must be ``exactly`` of its
        codes, those of similar ones will."""
        if state is self.state and scale == self.scale:
            return self.exactly or not exactly
        return not exactly and are_similar(self.coded.code_depth, state.code_depth) \
            and are_similar(self.coded.code_semantic, state.code_semantic)


@dataclass(frozen=True)
class LandmarkCorrections:
    """Corrections of a depth by landmarks, None where there are none, and its code (Kd,)."""

    code: Tensor
    corrections: PackedMap | None


class OwnViews:
    """The views that were used last.  Owned by one thread."""

    def __init__(self, config: FusionConfig):
        self._config = config
        #: by number, least recently used first
        self._views: OrderedDict[int, OwnView] = OrderedDict()

    @property
    def numbers(self) -> Collection[int]:
        """Of the keyframes whose views are kept."""
        return tuple(self._views)

    def forget(self, number: int) -> None:
        """Forget the view of a keyframe that is gone."""
        self._views.pop(number, None)

    def keep_only(self, numbers: Collection[int]) -> None:
        """Forget the views of all other keyframes."""
        for number in self._views.keys() - set(numbers):
            del self._views[number]

    def get(self, graph: KeyframeGraph, number: int, image_depth: ImageDepth | None,
            earlier: LandmarkCorrections | None, exactly: bool) -> OwnView:
        """The view of a keyframe, with the depth that images showed of it, else as landmarks
        correct it: where ``earlier`` corrections are of a similar code, these are used, unless
        the view must be ``exactly`` that of its codes."""
        keyframe, state = graph.keyframes[number], graph.states[number]
        known = self._views.get(number)
        if known is None or known.image_depth is not image_depth \
                or not known.will_do(state, keyframe.scale, exactly):
            corrections, exactly = self._corrections(graph, number, image_depth, earlier, exactly)
            view = keyframe_label_view(keyframe, state, self._config.level,
                                       None if corrections is None else
                                       corrections.values().to(state.code_depth.device))
            known = OwnView(coded=state, state=state, scale=keyframe.scale, label_view=view,
                            corrections=corrections, image_depth=image_depth, exactly=exactly)
        elif known.state is not state or known.scale != keyframe.scale:
            known = replace(known, state=state, scale=keyframe.scale, exactly=False,
                            label_view=known.label_view.moved(
                                state.T_world_cam, keyframe.scale / known.scale))
        self._views[number] = known
        while len(self._views) > MAX_VIEWS:
            self._views.popitem(last=False)
        self._views.move_to_end(number)
        return known

    def _corrections(self, graph: KeyframeGraph, number: int, image_depth: ImageDepth | None,
                     earlier: LandmarkCorrections | None,
                     exactly: bool) -> tuple[PackedMap | None, bool]:
        """Corrections of a keyframe's depth, None without any, and whether they are exactly those
        of its code."""
        if image_depth is not None:
            return image_depth.log_factor, True
        if earlier is not None:
            code = graph.states[number].code_depth
            is_usable = are_similar(earlier.code, code) if not exactly else \
                number not in graph.active and torch.equal(earlier.code, code)
            if is_usable:
                return earlier.corrections, exactly
        corrections = log_depth_corrections(graph, number, self._config.refinement)
        return CORRECTIONS.pack(corrections) if bool(corrections.any()) else None, True


def keyframe_label_view(keyframe: Keyframe, state: ViewState, level: int,
                        corrections: Tensor | None = None) -> LabelView:
    """A keyframe at a pyramid level as label fusion takes it, with the map's depth and codes;
    ``corrections`` (h, w) of ``log_depth_corrections``, if there are any."""
    camera = keyframe.camera_at(level)
    return LabelView(camera=camera, T_world_cam=state.T_world_cam,
                     image=resize_maps(keyframe.rgb, camera.width, camera.height),
                     depth=refined_depth(keyframe, state.code_depth, corrections, level),
                     prediction=keyframe.prediction, code=state.code_semantic)
