"""Fusion: keyframes to one labelled cloud of points that several views agree on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from scenecode.core.images import image_to_uint8
from scenecode.networks.prediction import resize_maps
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.surface import surface_cosine
from scenecode.optim.warp import ViewState
from scenecode.slam.config.fusion import FusionConfig
from scenecode.slam.fusion.depth_refinement import log_depth_corrections, refined_depth
from scenecode.slam.fusion.label_fusion import LabelFusion, LabelFusionConfig
from scenecode.slam.fusion.label_views import LabelView
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.records.snapshot import FusedCloud, KeyframeView, PointCloud, StoredMaps

#: Surfaces seen at a smaller cosine between ray and normal give no points.
MIN_COSINE = 0.1

T = TypeVar("T")


@dataclass(frozen=True)
class FusedLabels:
    """Labels of a keyframe's pixels from itself and its neighbours, at the level of fusion."""

    #: (C, H, W)
    probabilities: Tensor
    #: (H * W,) whether enough views see the pixel's surface
    confirmed: Tensor


@dataclass(frozen=True)
class KeyframePoints:
    """The points of one keyframe that its neighbours confirm; world frame."""

    #: (N, 3)
    points: Tensor
    #: (N, 3) in [0, 1]
    colours: Tensor
    #: (N, C)
    probabilities: Tensor


class _Cache(Generic[T]):
    """One value for each keyframe, computed again when an object that it depends on was
    replaced by another."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[tuple[Any, ...], T]] = {}

    def get(self, keyframe: int, inputs: tuple[Any, ...], compute: Callable[[], T]) -> T:
        entry = self._entries.get(keyframe)
        if entry is None or len(entry[0]) != len(inputs) \
                or any(a is not b for a, b in zip(entry[0], inputs)):
            entry = self._entries[keyframe] = (inputs, compute())
        return entry[1]


class Fusion:
    """Fuses a growing and changing map; what depends on unchanged keyframes is kept.  Owned by
    the output thread."""

    def __init__(self, config: FusionConfig):
        self._config = config
        # each depends on the states of keyframes, or on the fused labels
        self._corrections: _Cache[Tensor] = _Cache()
        self._label_views: _Cache[LabelView] = _Cache()
        self._labels: _Cache[FusedLabels] = _Cache()
        self._points: _Cache[KeyframePoints] = _Cache()
        self._views: _Cache[KeyframeView] = _Cache()

    def keyframe_views(self, graph: KeyframeGraph) -> tuple[KeyframeView, ...]:
        """Every keyframe as it stands; an unchanged one is the same object as before."""
        return tuple(self._view(graph, number) for number in graph.keyframes)

    def cloud(self, graph: KeyframeGraph) -> FusedCloud:
        """The points of all keyframes, one for each occupied voxel."""
        parts = [self.keyframe_points(graph, number) for number in graph.keyframes]
        if not parts:
            return FusedCloud()
        points = torch.cat([p.points for p in parts])
        if not len(points):
            return FusedCloud()
        depth = float(np.median([graph.median_depth(n) for n in graph.keyframes]))
        return FusedCloud.of(voxel_downsample(points, torch.cat([p.colours for p in parts]),
                                              torch.cat([p.probabilities for p in parts]),
                                              self._config.voxel * depth))

    def keyframe_points(self, graph: KeyframeGraph, number: int) -> KeyframePoints:
        """The points of one keyframe; if unchanged, the same object as before."""
        labels = self._fused_labels(graph, number)
        return self._points.get(number, (labels,), lambda: consistent_points(
            graph.keyframes[number], self._label_view(graph, number), labels, self._config))

    def _view(self, graph: KeyframeGraph, number: int) -> KeyframeView:
        labels = self._fused_labels(graph, number)
        return self._views.get(number, (labels,), lambda: keyframe_view(
            graph.keyframes[number], graph.states[number], labels,
            self._correction(graph, number)))

    def _fused_labels(self, graph: KeyframeGraph, number: int) -> FusedLabels:
        neighbours = graph.neighbours(number)
        inputs = tuple(graph.states[n] for n in (number, *neighbours))
        return self._labels.get(number, inputs, lambda: fused_labels(
            self._label_view(graph, number), [self._label_view(graph, n) for n in neighbours],
            self._config))

    def _label_view(self, graph: KeyframeGraph, number: int) -> LabelView:
        state = graph.states[number]
        return self._label_views.get(number, (state,), lambda: keyframe_label_view(
            graph.keyframes[number], state, self._config.level, self._correction(graph, number)))

    def _correction(self, graph: KeyframeGraph, number: int) -> Tensor:
        return self._corrections.get(number, (graph.states[number],), lambda:
                                     log_depth_corrections(graph, number, self._config.refinement))


def keyframe_label_view(keyframe: Keyframe, state: ViewState, level: int,
                        corrections: Tensor | None = None) -> LabelView:
    """A keyframe at a pyramid level as label fusion takes it, with the map's depth and codes;
    ``corrections`` (h, w) of ``log_depth_corrections``, if there are any."""
    camera = keyframe.camera_at(level)
    return LabelView(camera=camera, T_world_cam=state.T_world_cam,
                     image=resize_maps(keyframe.rgb, camera.width, camera.height),
                     depth=refined_depth(keyframe, state.code_depth, corrections, level),
                     prediction=keyframe.prediction, code=state.code_semantic)


def fused_labels(own: LabelView, others: Sequence[LabelView], config: FusionConfig) -> FusedLabels:
    """A view labelled by all that see its surfaces, by the method ``config.labels``."""
    fusion = LabelFusion([own, *others], LabelFusionConfig(tolerance=config.depth_tolerance))
    confirmed = fusion.view_counts() >= 1 + min(config.min_views, len(others))
    return FusedLabels(probabilities=fusion.fuse(config.labels), confirmed=confirmed)


def keyframe_view(keyframe: Keyframe, state: ViewState, labels: FusedLabels | None = None,
                  corrections: Tensor | None = None) -> KeyframeView:
    """A frozen copy for viewers and files, with ``corrections`` as in ``keyframe_label_view``;
    without fused ``labels`` it has its own."""
    depth = refined_depth(keyframe, state.code_depth, corrections)
    probabilities = keyframe.probabilities(state.code_semantic) if labels is None else \
        resize_maps(labels.probabilities, keyframe.camera.width, keyframe.camera.height)
    confidence, classes = probabilities.max(0)
    return KeyframeView(
        frame_index=keyframe.frame_index, timestamp=keyframe.timestamp,
        T_world_cam=state.T_world_cam.double().cpu().numpy().copy(), camera=keyframe.camera,
        maps=StoredMaps(
            image=image_to_uint8(keyframe.rgb), depth=depth.cpu().numpy(),
            depth_std=keyframe.depth_std(depth).cpu().numpy(),
            labels=classes.to(torch.uint8).cpu().numpy(), confidence=confidence.cpu().numpy()))


def consistent_points(keyframe: Keyframe, own: LabelView, labels: FusedLabels,
                      config: FusionConfig) -> KeyframePoints:
    """The pixels of a keyframe as points, where its depth is certain, confirmed by other views
    and not seen at a grazing angle."""
    camera, depth = own.camera, own.depth
    points, _ = camera.backproject(camera.pixel_grid(device=depth.device), depth.reshape(-1))
    cosine = surface_cosine(points.reshape(camera.height, camera.width, 3))
    certain = keyframe.depth_std(depth) < config.max_relative_std * depth
    keep = (certain & (cosine > MIN_COSINE)).reshape(-1) & labels.confirmed
    return KeyframePoints(points=se3.act(own.T_world_cam, points[keep]),
                          colours=own.image.flatten(1).T[keep],
                          probabilities=labels.probabilities.flatten(1).T[keep])


def voxel_downsample(points: Tensor, colours: Tensor, probabilities: Tensor,
                     size: float) -> PointCloud:
    """One point for each occupied voxel of edge ``size``: the mean of its points (N, 3), colours
    (N, 3) in [0, 1] and class probabilities (N, C)."""
    index = torch.floor(points.double() / size).long()
    index = index - index.min(0).values
    extent = index.max(0).values + 1
    key = (index[:, 0] * extent[1] + index[:, 1]) * extent[2] + index[:, 2]
    _, inverse, count = torch.unique(key, return_inverse=True, return_counts=True)

    def mean(values: Tensor) -> Tensor:
        sums = values.new_zeros(len(count), values.shape[1]).index_add_(0, inverse, values)
        return sums / count[:, None]

    confidence, labels = mean(probabilities).max(1)
    return PointCloud(points=mean(points).float().cpu().numpy(),
                      colours=(mean(colours) * 255).round().to(torch.uint8).cpu().numpy(),
                      labels=labels.to(torch.uint8).cpu().numpy(),
                      confidence=confidence.float().cpu().numpy())
