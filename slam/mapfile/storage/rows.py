"""Records as rows of a map file, and back.

``from_row`` functions raise ``ValueError`` for a row that breaks a rule of its own; rules between
rows are in ``reading``.
"""

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenecode.core.errors import DataError
from scenecode.networks.classes import ClassSet
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.mapfile.storage.packing import (
    pack_array,
    pack_frames,
    pack_pixels,
    pack_poses,
    require_jpeg,
    require_scale,
    require_webp,
    unpack_array,
    unpack_frames,
    unpack_pixels,
    unpack_pose,
    unpack_poses,
)
from scenecode.slam.mapfile.storage.records import (
    MapMeta,
    StoredCorrection,
    StoredFrames,
    StoredGeometry,
    StoredImageDepth,
    StoredKeyframe,
    StoredLandmarks,
    StoredLoop,
    StoredObservation,
    StoredPrior,
    StoredRedirect,
    StoredSession,
    StoredState,
)
from scenecode.slam.mapfile.storage.schema import SqlTable

#: A row without its checksum.
Row = tuple[Any, ...]

#: Frames in a row.
BLOCK = 256
#: Bytes of a pose.
_POSE_BYTES = 48
#: Numbers of keyframes, frames, sessions and components are below this.
MAX_NUMBER = 1 << 31
#: Width and height at most.
_MAX_SIZE = 1 << 14
#: |ln metres| of a landmark at most.
_MAX_LOG_DEPTH = 20.0
#: Kinds of corrections, and their weight at most.
_CORRECTION_KINDS, _MAX_WEIGHT = ("code", "override"), 1e6
#: Seconds since 1970 that are a date: to the year 9999.
_MAX_TIME = 253402300799.0


@dataclass(frozen=True)
class ImageSize:
    """Size in pixels of the image that pixels are of."""

    width: int
    height: int


def checksum(table: SqlTable, row: Row) -> int:
    """CRC-32 of a row and the name of its table."""
    crc = zlib.crc32(table.name.encode())
    for value in row:
        data = value if isinstance(value, bytes) else repr(value).encode()
        crc = zlib.crc32(data, zlib.crc32(f"{type(value).__name__} {len(data)};".encode(), crc))
    return crc


def sealed(table: SqlTable, row: Row) -> Row:
    """The row as it is stored: its values in the types of the columns, and its checksum."""
    values = tuple(kind(value) for kind, value in zip(table.columns.values(), row, strict=True))
    # SQLite stores -0.0 as 0
    values = tuple(value + 0.0 if isinstance(value, float) else value for value in values)
    return (*values, checksum(table, values))


def unsealed(table: SqlTable, stored: Row) -> Row:
    """The row without its checksum; ``ValueError`` when that differs or a value has another type
    than its column."""
    *values, crc = stored
    for (name, kind), value in zip(table.columns.items(), values, strict=True):
        if type(value) is not kind:
            raise ValueError(f"{name} is {type(value).__name__}, must be {kind.__name__}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} is not finite")
        if isinstance(value, int) and not 0 <= value < MAX_NUMBER:
            raise ValueError(f"{name} {value} is not between 0 and {MAX_NUMBER - 1}")
    if crc != checksum(table, tuple(values)):
        raise ValueError("its checksum differs")
    return tuple(values)


# --- meta --------------------------------------------------------------------------------


def meta_rows(meta: MapMeta) -> list[Row]:
    """One row for each fact."""
    facts = {
        "model": meta.model, "fingerprint": meta.fingerprint,
        "classes": json.dumps(meta.classes.to_json()), "config": meta.config,
        "width": meta.width, "height": meta.height, "version": meta.version,
        "created": repr(meta.created), "updated": repr(meta.updated)}
    return [(name, str(value)) for name, value in facts.items()]


def window_rows(active: Sequence[int], next_number: int) -> list[Row]:
    """Which keyframes are optimised, and the number of the next one, as rows of meta."""
    return [("active", json.dumps(list(active))), ("next_number", str(next_number))]


def meta_from_rows(facts: Mapping[str, str]) -> MapMeta:
    """Inverse of ``meta_rows``."""
    try:
        classes = ClassSet.from_json(json.loads(facts["classes"]))
        meta = MapMeta(
            model=facts["model"], fingerprint=facts["fingerprint"], classes=classes,
            config=facts["config"], width=int(facts["width"]), height=int(facts["height"]),
            version=facts["version"], created=float(facts["created"]),
            updated=float(facts["updated"]))
    except KeyError as error:
        raise ValueError(f"{error} is missing") from error
    except (DataError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"the class set cannot be used: {error}") from error
    if not all(2 <= n <= _MAX_SIZE for n in (meta.width, meta.height)) \
            or not all(0 <= time < _MAX_TIME for time in (meta.created, meta.updated)):
        raise ValueError("a size or time is impossible")
    return meta


def window_from_rows(facts: Mapping[str, str]) -> tuple[tuple[int, ...], int]:
    """Inverse of ``window_rows``."""
    try:
        active = json.loads(facts["active"])
        next_number = int(facts["next_number"])
    except (KeyError, RecursionError) as error:
        raise ValueError(f"{error} is missing") from error
    if not isinstance(active, list) or not all(type(number) is int for number in active) \
            or len(set(active)) != len(active) or not 0 <= next_number <= MAX_NUMBER:
        raise ValueError("the list of active keyframes cannot be used")
    return tuple(active), next_number


# --- keyframes ---------------------------------------------------------------------------


def session_row(session: StoredSession) -> Row:
    return session.number, session.source, session.started


def session_from_row(row: Row) -> StoredSession:
    number, source, started = row
    if not 0 <= started < _MAX_TIME:
        raise ValueError(f"{started} is no time")
    return StoredSession(number=number, source=source, started=started)


def keyframe_row(keyframe: StoredKeyframe) -> Row:
    camera = keyframe.camera
    return (keyframe.number, keyframe.session, keyframe.frame_index, keyframe.timestamp,
            camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height,
            pack_poses(keyframe.T_world_cam_inserted),
            pack_pixels(keyframe.pixels, camera.width, camera.height),
            pack_array(keyframe.descriptors, "u1"), keyframe.image)


def keyframe_from_row(row: Row, size: ImageSize) -> StoredKeyframe:
    """``size``: of the network's images."""
    (number, session, frame_index, timestamp, fx, fy, cx, cy, width, height, T, pixels,
     descriptors, image) = row
    camera = PinholeCamera(fx, fy, cx, cy, width, height)   # ValueError when impossible
    if (width, height) != (size.width, size.height):
        raise ValueError(f"its camera has {width}x{height} pixels, the map's network takes "
                         f"{size.width}x{size.height}")
    require_jpeg(image, width, height)
    features = unpack_pixels(pixels, width, height)
    return StoredKeyframe(
        number=number, session=session, frame_index=frame_index, timestamp=timestamp,
        camera=camera, image=image, T_world_cam_inserted=unpack_pose(T), pixels=features,
        descriptors=unpack_array(descriptors, "u1", len(features), 32))


def state_row(state: StoredState) -> Row:
    return (state.number, state.component, state.scale,
            pack_poses(state.T_world_cam) + pack_array(state.motion, "<f4"),
            pack_array(state.code_depth, "<f4"), pack_array(state.code_semantic, "<f4"))


def state_from_row(row: Row) -> StoredState:
    number, component, scale, T, code_depth, code_semantic = row
    require_scale(scale)
    # versions before 4 have the pose only
    pose, motion = T[:_POSE_BYTES], T[_POSE_BYTES:] or pack_array(np.zeros(6), "<f4")
    return StoredState(
        number=number, component=component, scale=scale, T_world_cam=unpack_pose(pose),
        motion=unpack_array(motion, "<f4", 6),
        code_depth=unpack_array(code_depth, "<f4", -1),
        code_semantic=unpack_array(code_semantic, "<f4", -1))


def geometry_row(geometry: StoredGeometry) -> Row:
    # float16 resolves a depth to a thousandth
    grid, features = (np.clip(depths, 1e-4, 6e4) for depths in (
        geometry.grid_depths, geometry.feature_depths))
    return geometry.keyframe, pack_array(grid, "<f2"), pack_array(features, "<f2")


def geometry_from_row(row: Row) -> StoredGeometry:
    keyframe, grid, features = row
    depths = [unpack_array(data, "<f2", -1).astype(np.float32) for data in (grid, features)]
    if any((values <= 0).any() for values in depths):
        raise ValueError("a depth is not positive")
    return StoredGeometry(keyframe=keyframe, grid_depths=depths[0], feature_depths=depths[1])


def image_depth_row(found: StoredImageDepth) -> Row:
    return (found.keyframe, pack_array(found.code_depth, "<f4"),
            pack_array(np.array(found.views, np.int64), "<i4"), pack_poses(found.T_key_view),
            pack_array(found.scales, "<f4"), pack_array(np.array(found.linked, np.int64), "<i4"),
            found.log_factor, found.log_b)


def image_depth_from_row(row: Row, size: ImageSize) -> StoredImageDepth:
    keyframe, code_depth, views, T, scales, linked, log_factor, log_b = row
    numbers = [tuple(unpack_array(data, "<i4", -1).tolist()) for data in (views, linked)]
    for listed in numbers:
        if len(set(listed)) != len(listed) or min(listed, default=0) < 0 or keyframe in listed:
            raise ValueError("a list of other keyframes is impossible")
    poses, factors = unpack_poses(T), unpack_array(scales, "<f4", -1)
    if not len(poses) == len(factors) == len(numbers[0]):
        raise ValueError(f"{len(poses)} poses and {len(factors)} scales of {len(numbers[0])} "
                         "views")
    require_scale(*factors.tolist())
    if log_factor or log_b:
        require_webp(log_factor, size.width, size.height)
        require_webp(log_b, *(max(1, round(n / 2)) for n in (size.width, size.height)))
    return StoredImageDepth(
        keyframe=keyframe, code_depth=unpack_array(code_depth, "<f4", -1), views=numbers[0],
        T_key_view=poses, scales=factors, linked=numbers[1], log_factor=log_factor, log_b=log_b)


# --- points ------------------------------------------------------------------------------


def landmarks_row(landmarks: StoredLandmarks, size: ImageSize) -> Row:
    # float16 resolves a standard deviation to a thousandth
    log_std = np.clip(landmarks.log_std, 1e-6, 6e4)
    return (landmarks.keyframe, pack_pixels(landmarks.pixels, size.width, size.height),
            pack_array(landmarks.log_depth, "<f4"), pack_array(log_std, "<f2"))


def landmarks_from_row(row: Row, size: ImageSize) -> StoredLandmarks:
    keyframe, pixels, log_depth, log_std = row
    points = unpack_pixels(pixels, size.width, size.height)
    depths = unpack_array(log_depth, "<f4", len(points))
    deviations = unpack_array(log_std, "<f2", len(points)).astype(np.float32)
    if (np.abs(depths) > _MAX_LOG_DEPTH).any() or (deviations <= 0).any():
        raise ValueError("the depth of a landmark is impossible")
    return StoredLandmarks(keyframe=keyframe, pixels=points, log_depth=depths, log_std=deviations)


def observation_row(observation: StoredObservation, size: ImageSize) -> Row:
    return (observation.keyframe, observation.observer, observation.absorbed,
            pack_array(observation.landmarks, "<u2"),
            pack_pixels(observation.pixels, size.width, size.height))


def observation_from_row(row: Row, size: ImageSize) -> StoredObservation:
    keyframe, observer, absorbed, landmarks, pixels = row
    points = unpack_pixels(pixels, size.width, size.height)
    return StoredObservation(
        keyframe=keyframe, observer=observer, absorbed=_flag(absorbed), pixels=points,
        landmarks=unpack_array(landmarks, "<u2", len(points)).astype(np.int64))


# --- the graph ---------------------------------------------------------------------------


def link_from_row(row: Row) -> tuple[tuple[int, int], bool]:
    keyframe, other, absorbed = row
    return (keyframe, other), _flag(absorbed)


def loop_row(loop: StoredLoop) -> Row:
    return (loop.number, loop.older, loop.newer, pack_poses(loop.T_older_newer), loop.log_scale,
            loop.num_landmarks)


def loop_from_row(row: Row) -> StoredLoop:
    number, older, newer, T, log_scale, num_landmarks = row
    if abs(log_scale) > _MAX_LOG_DEPTH:
        raise ValueError("its scale is impossible")
    return StoredLoop(number=number, older=older, newer=newer, T_older_newer=unpack_pose(T),
                      log_scale=log_scale, num_landmarks=num_landmarks)


def redirect_row(redirect: StoredRedirect) -> Row:
    return (redirect.keyframe, redirect.heir, pack_poses(redirect.T_heir_culled),
            redirect.scale_culled, redirect.scale_heir)


def redirect_from_row(row: Row) -> StoredRedirect:
    keyframe, heir, T, scale_culled, scale_heir = row
    require_scale(scale_culled, scale_heir)
    return StoredRedirect(keyframe=keyframe, heir=heir, T_heir_culled=unpack_pose(T),
                          scale_culled=scale_culled, scale_heir=scale_heir)


def prior_row(prior: StoredPrior) -> Row:
    return (0, pack_array(np.array(prior.numbers), "<i4"), pack_poses(prior.T_world_cam),
            pack_array(prior.codes_depth, "<f4"), pack_array(prior.codes_semantic, "<f4"),
            pack_array(prior.value, "<f4"), pack_array(prior.jacobian, "<f4"))


def prior_from_row(row: Row) -> StoredPrior:
    _, numbers, T, codes_depth, codes_semantic, value, jacobian = row
    keyframes = tuple(unpack_array(numbers, "<i4", -1).tolist())
    poses, residuals = unpack_poses(T), unpack_array(value, "<f4", -1)
    if not keyframes or len(poses) != len(keyframes):
        raise ValueError(f"{len(poses)} poses of {len(keyframes)} keyframes")
    codes = [unpack_array(data, "<f4", -1).reshape(len(keyframes), -1)
             for data in (codes_depth, codes_semantic)]
    columns = len(keyframes) * (6 + codes[0].shape[1] + codes[1].shape[1])
    return StoredPrior(
        numbers=keyframes, T_world_cam=poses, codes_depth=codes[0], codes_semantic=codes[1],
        value=residuals, jacobian=unpack_array(jacobian, "<f4", len(residuals), columns))


def correction_row(correction: StoredCorrection) -> Row:
    return (correction.number, correction.keyframe, correction.label, correction.kind,
            correction.weight, correction.active, correction.timestamp,
            pack_array(correction.runs, "<u4"))


def correction_from_row(row: Row, size: ImageSize) -> StoredCorrection:
    number, keyframe, label, kind, weight, active, timestamp, data = row
    runs = unpack_array(data, "<u4", -1).astype(np.int64)
    if int(runs.sum()) != size.width * size.height:
        raise ValueError(f"its region does not fill {size.width}x{size.height} pixels")
    if kind not in _CORRECTION_KINDS or not 0 < weight < _MAX_WEIGHT:
        raise ValueError(f"a correction of kind '{kind[:20]}' and weight {weight}")
    if not 0 <= timestamp < _MAX_TIME:
        raise ValueError(f"{timestamp} is no time")
    return StoredCorrection(number=number, keyframe=keyframe, label=label, kind=kind,
                            weight=weight, active=_flag(active), timestamp=timestamp, runs=runs)


# --- frames ------------------------------------------------------------------------------


def frames_row(session: int, block: int, frames: StoredFrames) -> Row:
    """Row of at most ``BLOCK`` frames."""
    return session, block, pack_frames(vars(frames))


def frames_from_row(row: Row) -> StoredFrames:
    frames = StoredFrames(**unpack_frames(row[2]))
    if not 0 < len(frames) <= BLOCK:
        raise ValueError(f"{len(frames)} frames in a row")
    return frames


def _flag(value: int) -> bool:
    if value not in (0, 1):
        raise ValueError(f"{value} is neither 0 nor 1")
    return bool(value)
