"""A map for another network: its geometry stays, its codes are computed anew."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scenecode.core.errors import ResultError
from scenecode.core.version import __version__
from scenecode.optim.geometry.proximity import depth_from_proximity, proximity_from_depth
from scenecode.optim.warp import ViewState
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.map.keyframe_geometry import grid_pixels, keyframe_geometry
from scenecode.slam.map.landmarks import Landmarks, make_landmarks
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile import conversion
from scenecode.slam.mapfile.storage.database import Database
from scenecode.slam.mapfile.storage.reading import load
from scenecode.slam.mapfile.storage.records import MapMeta, StoredMap
from scenecode.slam.mapfile.storage.schema import IMAGE_DEPTHS, PRIORS
from scenecode.slam.mapfile.storage.writing import all_rows


def recode(path: str | Path, meta: MapMeta, memory: WorkingMemory, device: str = "cpu",
           on_keyframe: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Compute the codes of a map file anew for the network of ``meta`` (``fingerprint.map_meta``),
    which ``memory`` runs; ``on_keyframe(done, total)`` is called after each keyframe.

    The file changes whole or not at all.  Raises ``ResultError`` as ``reading.load``, for
    a network of another image size, and while another run writes the file.
    """
    database, stored = Database.open(Path(path), load)
    try:
        if (meta.width, meta.height) != (stored.meta.width, stored.meta.height):
            raise ResultError(
                f"{path}: its images are {stored.meta.width} x {stored.meta.height}, the network "
                f"'{meta.model}' reads {meta.width} x {meta.height}; a map can be recoded for a "
                "network of the same image size")
        changes = all_rows(recoded(stored, meta, memory, device, on_keyframe))
        changes.removed.append((IMAGE_DEPTHS, ()))
        if stored.prior is not None:
            changes.removed.append((PRIORS, (0,)))
        database.commit(changes)
    finally:
        database.close()


def recoded(stored: StoredMap, meta: MapMeta, memory: WorkingMemory, device: str = "cpu",
            on_keyframe: Callable[[int, int], None] = lambda done, total: None) -> StoredMap:
    """A map with the codes of the network of ``meta``, which ``memory`` runs.

    Poses, landmarks, links and loops stay.  Each keyframe's depth code and scale are fitted to the
    depth that it had; semantic codes are zero, so that labels are those of the new network.  The
    marginal prior and the depths from images, which are about former codes, go; what the prior
    contained counts again.
    """
    graph = conversion.to_graph(stored, memory, device)
    for done, number in enumerate(sorted(graph.keyframes), start=1):
        _recode_keyframe(graph, number)
        on_keyframe(done, len(graph))
    return replace(
        stored, prior=None, image_depths={},
        meta=replace(meta, created=stored.meta.created, updated=time.time(), version=__version__),
        states={n: conversion.stored_state(n, graph.states[n], graph.keyframes[n],
                                           graph.part(n)) for n in graph.keyframes},
        geometries={n: conversion.stored_geometry(n, keyframe_geometry(
            graph.keyframes[n], graph.states[n].code_depth)) for n in graph.keyframes},
        landmarks={n: conversion.stored_landmarks(n, entry)
                   for n, entry in graph.landmarks.items()},
        observations={pair: replace(entry, absorbed=False)
                      for pair, entry in stored.observations.items()},
        links=dict.fromkeys(stored.links, False))


def _recode_keyframe(graph: KeyframeGraph, number: int) -> None:
    motion = graph.keyframes[number].motion
    keyframe = replace(graph.keyframes[number], scale=1.0)
    pixels, depth = _known_depth(graph, number)
    code, log_scale = fit_depth_code(keyframe, pixels, depth)
    graph.keyframes[number] = keyframe.rescaled(log_scale).with_motion(motion)
    semantic = code.new_zeros(keyframe.prediction.semantic_code_size)
    graph.states[number] = ViewState(graph.states[number].T_world_cam, code, semantic)
    landmarks = graph.landmarks.get(number)
    if landmarks is not None:
        predicted: Landmarks = make_landmarks(graph.keyframes[number], code, landmarks.pixels)
        graph.landmarks[number] = replace(landmarks, log_std=predicted.log_std)


def _known_depth(graph: KeyframeGraph, number: int) -> tuple[Tensor, Tensor]:
    """Pixels (N, 2) of a keyframe and their depth (N,) in the map: its coarse grid and its
    landmarks."""
    keyframe = graph.keyframes[number]
    pixels, depths = [], []
    geometry = graph.known_geometry(number)
    if geometry is not None:
        pixels.append(grid_pixels(keyframe.camera, geometry.grid))
        depths.append(geometry.grid[:, 2])
    landmarks = graph.landmarks.get(number)
    if landmarks is not None:
        pixels.append(landmarks.pixels)
        depths.append(landmarks.log_depth.exp())
    if not pixels:
        device = graph.states[number].T_world_cam.device
        return torch.zeros(0, 2, device=device), torch.zeros(0, device=device)
    return torch.cat(pixels), torch.cat(depths)


def fit_depth_code(keyframe: Keyframe, pixels: Tensor, depth: Tensor) -> tuple[Tensor, float]:
    """The depth code (Kd,) of a keyframe of scale 1, and ln of the scale, at which it has a
    ``depth`` (N,) metres at pixels (N, 2).

    The scale is the median over the pixels at zero code.  The code minimises
    ``sum ((p_zero + J c - p) / b)^2 + |c|^2`` over proximities, the network's Laplace scale b as
    standard deviation and the prior of codes; it is zero without pixels.
    """
    prox_zero, J, b = keyframe.proximity_at(pixels)
    if not len(depth):
        return J.new_zeros(J.shape[1]), 0.0
    average = keyframe.prediction.average_depth
    log_scale = float((depth / depth_from_proximity(prox_zero, average)).log().median())
    residual = proximity_from_depth(depth, average * float(np.exp(log_scale))) - prox_zero
    weighted = J / b[:, None]
    hessian = weighted.T @ weighted + torch.eye(J.shape[1], dtype=J.dtype, device=J.device)
    return torch.linalg.solve(hessian, weighted.T @ (residual / b)), log_scale
