"""The live map as records, and back: the one module that knows the classes of both."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from scenecode.optim.solvers.marginal import LinearResidual
from scenecode.optim.warp import ViewState
from scenecode.slam.corrections.correction import KINDS, Correction, CorrectionList
from scenecode.slam.corrections.regions import Region
from scenecode.slam.features.orb import Features
from scenecode.slam.fusion.fusion_inputs import RelativeViews
from scenecode.slam.fusion.image_depths import ImageDepth, MatchedDepth
from scenecode.slam.fusion.packed_maps import IMAGE_CORRECTIONS, IMAGE_LOG_B, PackedMap
from scenecode.slam.map.graph import KeyframeGraph, Loop, Redirect
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.map.keyframe_geometry import GRID_HEIGHT, GRID_WIDTH, KeyframeGeometry
from scenecode.slam.map.landmarks import Landmarks, Observation
from scenecode.slam.map.marginal_prior import MarginalPrior
from scenecode.slam.map.stored_image import StoredImage
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile.storage.records import (
    MapMeta,
    Pair,
    StoredCorrection,
    StoredFrames,
    StoredGeometry,
    StoredImageDepth,
    StoredKeyframe,
    StoredLandmarks,
    StoredLoop,
    StoredMap,
    StoredObservation,
    StoredPrior,
    StoredRedirect,
    StoredSession,
    StoredState,
)
from scenecode.slam.tracking.frame_rows import FRAME_ROW, homogeneous

# --- to records --------------------------------------------------------------------------


def stored_keyframe(number: int, keyframe: Keyframe, session: int) -> StoredKeyframe:
    return StoredKeyframe(
        number=number, session=session, frame_index=keyframe.frame_index,
        timestamp=keyframe.timestamp, camera=keyframe.camera, image=keyframe.image.jpeg,
        T_world_cam_inserted=_array(keyframe.T_world_cam_inserted),
        pixels=keyframe.features.pixels, descriptors=keyframe.features.descriptors)


def stored_state(number: int, state: ViewState, keyframe: Keyframe, part: int) -> StoredState:
    motion = keyframe.motion_at_scale_1
    return StoredState(
        number=number, component=part, scale=keyframe.scale,
        T_world_cam=_array(state.T_world_cam),
        motion=np.zeros(6, np.float32) if motion is None else _array(motion),
        code_depth=_array(state.code_depth), code_semantic=_array(state.code_semantic))


def stored_geometry(number: int, geometry: KeyframeGeometry) -> StoredGeometry:
    return StoredGeometry(keyframe=number, grid_depths=_array(geometry.grid[:, 2]),
                          feature_depths=_array(geometry.feature_depths))


def stored_landmarks(number: int, landmarks: Landmarks) -> StoredLandmarks:
    return StoredLandmarks(
        keyframe=number, pixels=_array(landmarks.pixels), log_depth=_array(landmarks.log_depth),
        log_std=_array(landmarks.log_std))


def stored_observation(pair: Pair, observation: Observation, absorbed: bool) -> StoredObservation:
    return StoredObservation(
        keyframe=pair[0], observer=pair[1], landmarks=observation.index.cpu().numpy(),
        pixels=_array(observation.pixels), absorbed=absorbed)


def stored_loop(number: int, loop: Loop) -> StoredLoop:
    return StoredLoop(
        number=number, older=loop.older, newer=loop.newer,
        T_older_newer=_array(loop.T_older_newer), log_scale=loop.log_scale,
        num_landmarks=loop.num_landmarks)


def stored_redirect(number: int, redirect: Redirect) -> StoredRedirect:
    return StoredRedirect(
        keyframe=number, heir=redirect.keyframe, T_heir_culled=_array(redirect.T_heir_culled),
        scale_culled=redirect.scale_culled, scale_heir=redirect.scale_heir)


def stored_prior(prior: MarginalPrior) -> StoredPrior:
    def stacked(of: Callable[[ViewState], Tensor]) -> np.ndarray:
        return np.stack([_array(of(state)) for state in prior.states])

    return StoredPrior(
        numbers=tuple(prior.numbers), T_world_cam=stacked(lambda state: state.T_world_cam),
        codes_depth=stacked(lambda state: state.code_depth),
        codes_semantic=stacked(lambda state: state.code_semantic),
        value=_array(prior.residual.value), jacobian=_array(prior.residual.jacobian))


def stored_correction(correction: Correction) -> StoredCorrection:
    return StoredCorrection(
        number=correction.number, keyframe=correction.keyframe, label=correction.label,
        kind=correction.kind, weight=correction.weight, active=correction.active,
        timestamp=correction.timestamp, runs=np.array(correction.region.runs, np.int64))


def stored_image_depth(number: int, matched: MatchedDepth) -> StoredImageDepth:
    depth, views = matched.depth, matched.views
    return StoredImageDepth(
        keyframe=number, code_depth=_array(matched.code_depth), views=views.numbers,
        T_key_view=views.T_key_view.astype(np.float32), scales=views.scales.astype(np.float32),
        linked=tuple(sorted(matched.linked)),
        log_factor=b"" if depth is None else depth.log_factor.data,
        log_b=b"" if depth is None else depth.log_b.data)


def stored_frames(rows: np.ndarray) -> StoredFrames:
    """Of frames (N,) ``FRAME_ROW``."""
    return StoredFrames(
        index=rows["frame_index"].astype(np.int64), timestamp=rows["timestamp"],
        keyframe=rows["keyframe"].astype(np.int64), key_scale=rows["key_scale"],
        T_key_cam=homogeneous(rows["T_key_cam"]),
        T_world_cam_live=homogeneous(rows["T_world_cam"]), lost=rows["lost"])


def from_graph(graph: KeyframeGraph, meta: MapMeta, sessions: dict[int, StoredSession],
               session_of: Callable[[int], int], frames: dict[int, np.ndarray],
               corrections: CorrectionList = CorrectionList(),
               image_depths: Mapping[int, MatchedDepth] | None = None) -> StoredMap:
    """A live map and the frames of each session, (N,) ``FRAME_ROW``, as records;
    ``session_of(number)`` says in which session a keyframe was made."""
    keyframes = graph.keyframes
    geometries = {n: graph.known_geometry(n) for n in keyframes}
    return StoredMap(
        meta=meta, sessions=sessions, active=tuple(graph.active), next_number=graph.next_number,
        keyframes={n: stored_keyframe(n, keyframes[n], session_of(n)) for n in keyframes},
        states={n: stored_state(n, graph.states[n], keyframes[n], graph.part(n))
                for n in keyframes},
        geometries={n: stored_geometry(n, entry) for n, entry in geometries.items()
                    if entry is not None},
        landmarks={n: stored_landmarks(n, entry) for n, entry in graph.landmarks.items()},
        observations={
            pair: stored_observation(pair, entry, pair in graph.absorbed_observations)
            for pair, entry in graph.observations.items()},
        links={pair: pair in graph.absorbed_links for pair in graph.links},
        loops=tuple(stored_loop(n, loop) for n, loop in enumerate(graph.loops)),
        redirects={n: stored_redirect(n, entry) for n, entry in graph.redirects.items()},
        corrections=tuple(stored_correction(entry) for entry in corrections.entries
                          if entry.keyframe in keyframes),
        image_depths={n: stored_image_depth(n, entry)
                      for n, entry in (image_depths or {}).items() if n in keyframes},
        frames={n: stored_frames(rows) for n, rows in frames.items() if len(rows)},
        prior=None if graph.prior is None else stored_prior(graph.prior))


# --- from records ------------------------------------------------------------------------


def to_graph(stored: StoredMap, memory: WorkingMemory,
             device: torch.device | str = "cpu") -> KeyframeGraph:
    """The live map; the network runs when a prediction is needed, from ``memory``."""
    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    def state(T: np.ndarray, code_depth: np.ndarray, code_semantic: np.ndarray) -> ViewState:
        return ViewState(T_world_cam=tensor(T), code_depth=tensor(code_depth),
                         code_semantic=tensor(code_semantic))

    graph = KeyframeGraph(
        active=list(stored.active), next_number=stored.next_number, links=set(stored.links),
        absorbed_links={pair for pair, absorbed in stored.links.items() if absorbed},
        absorbed_observations={pair for pair, entry in stored.observations.items()
                               if entry.absorbed})
    if any(not len(state.code_depth) for state in stored.states.values()):
        memory.pseudo_codes = False  # the map was made before there were any
    for number in sorted(stored.keyframes):
        keyframe, found = stored.keyframes[number], stored.states[number]
        camera = keyframe.camera
        graph.keyframes[number] = Keyframe(
            frame_index=keyframe.frame_index, timestamp=keyframe.timestamp, camera=camera,
            image=StoredImage(keyframe.image, camera.width, camera.height),
            T_world_cam_inserted=tensor(keyframe.T_world_cam_inserted), memory=memory,
            motion_at_scale_1=torch.from_numpy(found.motion).double()
            if found.motion.any() else None,
            features=Features(pixels=keyframe.pixels, descriptors=keyframe.descriptors),
            scale=found.scale)
        if found.component:
            graph.part_of[number] = found.component
        graph.states[number] = state(found.T_world_cam, found.code_depth, found.code_semantic)
        if number in stored.geometries:
            geometry = _geometry(stored.geometries[number], graph.keyframes[number], tensor)
            if geometry is not None:
                graph.add_geometry(number, geometry)
    for number, landmarks in stored.landmarks.items():
        pixels = tensor(landmarks.pixels)
        graph.landmarks[number] = Landmarks(
            pixels=pixels, rays=graph.keyframes[number].camera.rays(pixels),
            log_std=tensor(landmarks.log_std), log_depth=tensor(landmarks.log_depth))
    for pair, observation in stored.observations.items():
        graph.observations[pair] = Observation(index=tensor(observation.landmarks),
                                               pixels=tensor(observation.pixels))
    graph.loops = [Loop(
        older=loop.older, newer=loop.newer, T_older_newer=tensor(loop.T_older_newer),
        log_scale=loop.log_scale, num_landmarks=loop.num_landmarks) for loop in stored.loops]
    graph.redirects = {number: Redirect(
        keyframe=redirect.heir, T_heir_culled=tensor(redirect.T_heir_culled),
        scale_culled=redirect.scale_culled, scale_heir=redirect.scale_heir)
        for number, redirect in stored.redirects.items()}
    prior = stored.prior
    if prior is not None:
        states = zip(prior.T_world_cam, prior.codes_depth, prior.codes_semantic)
        graph.prior = MarginalPrior(
            numbers=prior.numbers, states=tuple(state(*entry) for entry in states),
            residual=LinearResidual(value=tensor(prior.value).double(),
                                    jacobian=tensor(prior.jacobian).double()))
    return graph


def correction_list(stored: StoredMap) -> CorrectionList:
    """The corrections of a map."""
    width, height = stored.meta.width, stored.meta.height
    return CorrectionList(tuple(Correction(
        number=entry.number, keyframe=entry.keyframe, label=entry.label, weight=entry.weight,
        region=Region(width=width, height=height, runs=tuple(entry.runs.tolist())),
        kind=next(kind for kind in KINDS if kind == entry.kind), active=entry.active,
        timestamp=entry.timestamp) for entry in stored.corrections))


def matched_depths(stored: StoredMap, graph: KeyframeGraph) -> dict[int, MatchedDepth]:
    """What images gave for the depths of keyframes, by number; ``graph`` is that of ``to_graph``.
    """
    return {n: MatchedDepth(
        image=graph.keyframes[n].image, linked=frozenset(entry.linked),
        code_depth=torch.from_numpy(entry.code_depth).to(graph.states[n].code_depth),
        views=RelativeViews(numbers=entry.views, T_key_view=entry.T_key_view.astype(np.float64),
                            scales=entry.scales.astype(np.float64)),
        depth=None if not entry.log_factor else ImageDepth(
            log_factor=PackedMap(scale=IMAGE_CORRECTIONS, data=entry.log_factor),
            log_b=PackedMap(scale=IMAGE_LOG_B, data=entry.log_b)))
        for n, entry in stored.image_depths.items()}


def frame_rows(frames: StoredFrames) -> np.ndarray:
    """(N,) ``FRAME_ROW``; inverse of ``stored_frames``."""
    rows = np.zeros(len(frames), FRAME_ROW)
    rows["frame_index"], rows["timestamp"] = frames.index, frames.timestamp
    rows["keyframe"], rows["key_scale"] = frames.keyframe, frames.key_scale
    rows["T_key_cam"] = frames.T_key_cam[:, :3]
    rows["T_world_cam"] = frames.T_world_cam_live[:, :3]
    rows["lost"] = frames.lost
    return rows


def _geometry(stored: StoredGeometry, keyframe: Keyframe,
              tensor: Callable[[np.ndarray], Tensor]) -> KeyframeGeometry | None:
    """None for a grid of another version's size."""
    camera = keyframe.camera.resized(GRID_WIDTH, GRID_HEIGHT)
    depths = tensor(stored.grid_depths)
    if len(depths) != GRID_WIDTH * GRID_HEIGHT:
        return None
    grid, _ = camera.backproject(camera.pixel_grid(depths.dtype, depths.device), depths)
    return KeyframeGeometry(median_depth=float(depths.median()), grid=grid,
                            feature_depths=tensor(stored.feature_depths))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
