"""Fusion: keyframes to one labelled cloud of points that several views agree on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from scenecode.networks.classes import VOID
from scenecode.networks.prediction import resize_maps
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera
from scenecode.optim.geometry.surface import surface_cosine
from scenecode.optim.warp import ViewState
from scenecode.slam.config.slam_config import FusionConfig
from scenecode.slam.fusion.depth_refinement import corrections, refined_depth
from scenecode.slam.fusion.label_fusion import LabelFusion, LabelFusionConfig
from scenecode.slam.fusion.label_views import LabelView
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.records.snapshot import KeyframeView, PointCloud

T = TypeVar("T")
#: By keyframe, what something was made from, and it.
_Made = dict[int, tuple[tuple, T]]


@dataclass(frozen=True)
class SharedLabels:
    """What a keyframe and its neighbours together say of its pixels, at the level of fusion."""

    #: (C, H, W)
    probabilities: Tensor
    #: (H * W,) whether enough of them see a pixel's surface there
    confirmed: Tensor


@dataclass(frozen=True)
class KeyframePoints:
    """The points of one keyframe that its neighbours agree with; world frame."""

    #: (N, 3)
    points: Tensor
    #: (N, 3) in [0, 1]
    colours: Tensor
    #: (N, C)
    probabilities: Tensor


class Fusion:
    """Keeps each keyframe's share until it or a neighbour changes.  Owned by the output
    thread."""

    def __init__(self, config: FusionConfig):
        self._config = config
        #: by keyframe, each with the states, or the labels, that it was made from
        self._corrections: _Made[Tensor] = {}
        self._surfaces: _Made[LabelView] = {}
        self._labels: _Made[SharedLabels] = {}
        self._points: _Made[KeyframePoints] = {}
        self._views: _Made[KeyframeView] = {}

    def keyframe_views(self, graph: KeyframeGraph) -> tuple[KeyframeView, ...]:
        """Every keyframe as it stands; an unchanged one is the same object as before."""
        return tuple(self._view(graph, number) for number in range(len(graph)))

    def cloud(self, graph: KeyframeGraph) -> PointCloud:
        """All points, thinned to one in a cell of space."""
        parts = [self._keyframe_points(graph, number) for number in range(len(graph))]
        if not parts:
            return PointCloud.empty()
        points = torch.cat([p.points for p in parts])
        if not len(points):
            return PointCloud.empty()
        depth = float(np.median([graph.median_depth(n) for n in range(len(graph))]))
        return thin(points, torch.cat([p.colours for p in parts]),
                    torch.cat([p.probabilities for p in parts]), self._config.voxel * depth)

    def _view(self, graph: KeyframeGraph, number: int) -> KeyframeView:
        labels = self._shared_labels(graph, number)
        return _kept(self._views, number, (labels,), lambda: keyframe_view(
            graph.keyframes[number], graph.states[number], labels,
            self._correction(graph, number)))

    def _keyframe_points(self, graph: KeyframeGraph, number: int) -> KeyframePoints:
        labels = self._shared_labels(graph, number)
        return _kept(self._points, number, (labels,), lambda: consistent_points(
            graph.keyframes[number], self._surface(graph, number), labels, self._config))

    def _shared_labels(self, graph: KeyframeGraph, number: int) -> SharedLabels:
        neighbours = graph.neighbours(number)
        basis = tuple(graph.states[n] for n in (number, *neighbours))
        return _kept(self._labels, number, basis, lambda: shared_labels(
            self._surface(graph, number), [self._surface(graph, n) for n in neighbours],
            self._config))

    def _surface(self, graph: KeyframeGraph, number: int) -> LabelView:
        state = graph.states[number]
        return _kept(self._surfaces, number, (state,), lambda: keyframe_surface(
            graph.keyframes[number], state, self._config.level, self._correction(graph, number)))

    def _correction(self, graph: KeyframeGraph, number: int) -> Tensor:
        return _kept(self._corrections, number, (graph.states[number],),
                     lambda: corrections(graph, number, self._config.refinement))


def _kept(made: _Made[T], number: int, basis: tuple, make: Callable[[], T]) -> T:
    """What was made for a keyframe, made again when it was from other objects than ``basis``."""
    found = made.get(number)
    if found is None or len(found[0]) != len(basis) \
            or any(a is not b for a, b in zip(found[0], basis)):
        found = made[number] = (basis, make())
    return found[1]


def keyframe_surface(keyframe: Keyframe, state: ViewState, level: int,
                     field: Tensor | None = None) -> LabelView:
    """A keyframe at a pyramid level as label fusion takes it, with the map's depth and codes;
    ``field`` (h, w) are its depth's ``scenecode.slam.fusion.depth_refinement.corrections``, if there are any."""
    camera = keyframe.camera_at(level)
    image = resize_maps(keyframe.frame.image, camera.width, camera.height)
    depth = refined_depth(keyframe, state.code_depth, field, level)
    return LabelView(camera, state.T_world_cam, image, depth, keyframe.prediction,
                     state.code_semantic)


def shared_labels(own: LabelView, others: Sequence[LabelView],
                  config: FusionConfig) -> SharedLabels:
    """A view labelled by all that see its surfaces, as ``config.labels`` says."""
    fusion = LabelFusion([own, *others], LabelFusionConfig(tolerance=config.depth_tolerance))
    confirmed = fusion.seen_by() >= 1 + min(config.agreeing_views, len(others))
    return SharedLabels(fusion.fuse(config.labels), confirmed)


def keyframe_view(keyframe: Keyframe, state: ViewState, labels: SharedLabels | None = None,
                  field: Tensor | None = None) -> KeyframeView:
    """A frozen copy for those who only look, with ``field`` as in ``keyframe_surface``; without
    shared ``labels`` it has its own."""
    depth = refined_depth(keyframe, state.code_depth, field)
    probabilities = keyframe.probabilities(state.code_semantic) if labels is None else \
        resize_maps(labels.probabilities, keyframe.camera.width, keyframe.camera.height)
    confidence, classes = probabilities.max(0)
    pixels = (keyframe.frame.image * 255).round().to(torch.uint8).permute(1, 2, 0)
    return KeyframeView(
        keyframe.frame.index, keyframe.frame.timestamp,
        state.T_world_cam.double().cpu().numpy().copy(), keyframe.camera,
        pixels.cpu().numpy().copy(), depth.cpu().numpy(),
        keyframe.depth_std(depth).cpu().numpy(),
        classes.to(torch.uint8).cpu().numpy(), confidence.cpu().numpy())


def consistent_points(keyframe: Keyframe, own: LabelView, labels: SharedLabels,
                      config: FusionConfig) -> KeyframePoints:
    """Landmarks of a keyframe whose depth others confirm, from its surface and the ``labels`` that
    it shares with them."""
    camera, depth = own.camera, own.depth
    points, _ = camera.backproject(camera.pixel_grid(device=depth.device), depth.reshape(-1))
    cosine = surface_cosine(points.reshape(camera.height, camera.width, 3))
    certain = keyframe.depth_std(depth) < config.max_relative_std * depth
    keep = (certain & (cosine > config.min_cosine)).reshape(-1) & labels.confirmed
    world = se3.act(own.T_world_cam, points[keep])
    return KeyframePoints(world, own.image.flatten(1).T[keep],
                          labels.probabilities.flatten(1).T[keep])


def thin(points: Tensor, colours: Tensor, probabilities: Tensor, cell: float) -> PointCloud:
    """One point for each occupied cell: the mean of its points, colours and probabilities."""
    index = torch.floor(points.double() / cell).long()
    index = index - index.min(0).values
    size = index.max(0).values + 1
    key = (index[:, 0] * size[1] + index[:, 1]) * size[2] + index[:, 2]
    _, inverse, count = torch.unique(key, return_inverse=True, return_counts=True)

    def mean(values: Tensor) -> Tensor:
        sums = values.new_zeros(len(count), values.shape[1]).index_add_(0, inverse, values)
        return sums / count[:, None]

    confidence, labels = mean(probabilities).max(1)
    return PointCloud(mean(points).float().cpu().numpy(),
                      (mean(colours) * 255).round().to(torch.uint8).cpu().numpy(),
                      labels.to(torch.uint8).cpu().numpy(), confidence.float().cpu().numpy())


def splat(view: KeyframeView, T_cam_key: np.ndarray,
          camera: PinholeCamera) -> tuple[np.ndarray, np.ndarray]:
    """A keyframe's depth and labels as another camera (T_cam_key (4, 4)) sees them.

    Returns depth (H, W), 0 where nothing lands, and labels (H, W), VOID there.
    Nearer points win; a point covers the pixel it falls in.
    """
    depth = torch.from_numpy(view.depth).reshape(-1)
    points, _ = view.camera.backproject(view.camera.pixel_grid(), depth)
    x = se3.act(torch.from_numpy(T_cam_key).float(), points)
    pixels, _ = camera.project(x)
    column, row = pixels.round().long().unbind(1)
    seen = ((x[:, 2] > MIN_DEPTH) & (column >= 0) & (column < camera.width)
            & (row >= 0) & (row < camera.height)).numpy()
    flat = (row * camera.width + column).numpy()[seen]
    z = x[:, 2].numpy()[seen]
    far_to_near = np.argsort(-z)
    out_depth = np.zeros(camera.height * camera.width, np.float32)
    out_labels = np.full(camera.height * camera.width, VOID, np.uint8)
    out_depth[flat[far_to_near]] = z[far_to_near]
    out_labels[flat[far_to_near]] = view.labels.reshape(-1)[seen][far_to_near]
    shape = (camera.height, camera.width)
    return out_depth.reshape(shape), out_labels.reshape(shape)
