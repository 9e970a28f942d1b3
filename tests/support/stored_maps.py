"""Small maps as records, for tests of map files."""

from dataclasses import replace

import cv2
import numpy as np

from scenecode.networks.classes import NYU13
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.mapfile.storage.database import Changes
from scenecode.slam.mapfile.storage.records import (
    MapMeta,
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
from scenecode.slam.mapfile.storage.rows import state_row
from scenecode.slam.mapfile.storage.schema import STATES

WIDTH, HEIGHT = 32, 24
CODE = 4
META = MapMeta(model="made-up", fingerprint="0" * 64, classes=NYU13, config="width: 32\n",
               width=WIDTH, height=HEIGHT, version="0", created=1e9, updated=1e9)


def pose(rng: np.random.Generator) -> np.ndarray:
    T = np.eye(4, dtype=np.float32)
    T[:3, :3] = cv2.Rodrigues(rng.normal(0, 0.3, 3))[0]
    T[:3, 3] = rng.normal(0, 1, 3)
    return T


def jpeg(rng: np.random.Generator, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    pixels = rng.integers(0, 255, (height // 4, width // 4, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(pixels, (width, height)))[1].tobytes()


def webp(rng: np.random.Generator, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    pixels = rng.integers(0, 255, (height, width), np.uint8)
    return cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, 90])[1].tobytes()


def frames(rng: np.random.Generator, count: int, keyframes: list[int]) -> StoredFrames:
    return StoredFrames(
        index=np.arange(count), timestamp=np.arange(count) / 30,
        keyframe=rng.choice(keyframes, count),
        T_key_cam=np.array([pose(rng) for _ in range(count)]).reshape(-1, 4, 4),
        key_scale=rng.uniform(0.5, 2, count).astype(np.float32),
        T_world_cam_live=np.array([pose(rng) for _ in range(count)]).reshape(-1, 4, 4),
        lost=rng.random(count) < 0.1)


def stored_map(keyframes: int = 5, frame_count: int = 40, features: int = 20,
               landmarks: int = 12) -> StoredMap:
    """Numbers 0 to ``keyframes``, of which 1 was removed; one of everything that a file holds."""
    rng = np.random.default_rng(0)
    numbers = [n for n in range(keyframes + 1) if n != 1]
    camera = PinholeCamera(30.0, 30.0, 15.5, 11.5, WIDTH, HEIGHT)
    size = (WIDTH - 1, HEIGHT - 1)
    pairs = list(zip(numbers, numbers[1:]))
    return StoredMap(
        meta=META,
        sessions={0: StoredSession(0, "made-up", 1e9), 1: StoredSession(1, "more", 2e9)},
        keyframes={n: StoredKeyframe(
            number=n, session=0, frame_index=10 * n, timestamp=n / 3, camera=camera,
            image=jpeg(rng), T_world_cam_inserted=pose(rng),
            pixels=rng.uniform(0, size, (features, 2)).astype(np.float32),
            descriptors=rng.integers(0, 255, (features, 32), np.uint8)) for n in numbers},
        states={n: StoredState(
            number=n, component=0, scale=1.25, T_world_cam=pose(rng),
            motion=rng.normal(size=6).astype(np.float32),
            code_depth=rng.normal(size=CODE).astype(np.float32),
            code_semantic=rng.normal(size=CODE).astype(np.float32)) for n in numbers},
        geometries={n: StoredGeometry(
            keyframe=n, grid_depths=rng.uniform(1, 3, 6).astype(np.float32),
            feature_depths=rng.uniform(1, 3, features).astype(np.float32)) for n in numbers[:2]},
        landmarks={n: StoredLandmarks(
            keyframe=n, pixels=rng.uniform(0, size, (landmarks, 2)).astype(np.float32),
            log_depth=rng.normal(size=landmarks).astype(np.float32),
            log_std=rng.uniform(0.1, 0.3, landmarks).astype(np.float32)) for n in numbers},
        observations={(a, b): StoredObservation(
            keyframe=a, observer=b, landmarks=np.arange(0, landmarks, 2), absorbed=a == 0,
            pixels=rng.uniform(0, size, (len(range(0, landmarks, 2)), 2)).astype(np.float32))
            for a, b in pairs},
        links={pair: pair[0] == 0 for a, b in pairs for pair in ((a, b), (b, a))},
        loops=(StoredLoop(number=0, older=0, newer=numbers[-1], T_older_newer=pose(rng),
                          log_scale=0.1, num_landmarks=9),),
        redirects={1: StoredRedirect(keyframe=1, heir=2, T_heir_culled=pose(rng),
                                     scale_culled=1.0, scale_heir=1.5)},
        frames={0: frames(rng, frame_count, [*numbers, 1]), 1: frames(rng, 3, numbers[-2:])},
        prior=StoredPrior(
            numbers=tuple(numbers[-2:]), T_world_cam=np.array([pose(rng), pose(rng)]),
            codes_depth=rng.normal(size=(2, CODE)).astype(np.float32),
            codes_semantic=rng.normal(size=(2, CODE)).astype(np.float32),
            value=rng.normal(size=7).astype(np.float32),
            jacobian=rng.normal(size=(7, 2 * (6 + 2 * CODE))).astype(np.float32)),
        corrections=(StoredCorrection(
            number=3, keyframe=numbers[-1], label=2, kind="code", weight=50.0, active=False,
            timestamp=1e9, runs=np.array([5, 7, WIDTH * HEIGHT - 12])),),
        image_depths={
            numbers[0]: StoredImageDepth(
                keyframe=numbers[0], code_depth=rng.normal(size=CODE).astype(np.float32),
                views=tuple(numbers[1:3]), T_key_view=np.array([pose(rng), pose(rng)]),
                scales=np.array([1.0, 1.5], np.float32), linked=tuple(numbers[1:2]),
                log_factor=webp(rng), log_b=webp(rng, WIDTH // 2, HEIGHT // 2)),
            numbers[2]: StoredImageDepth(
                keyframe=numbers[2], code_depth=rng.normal(size=CODE).astype(np.float32),
                views=(), T_key_view=np.zeros((0, 4, 4), np.float32),
                scales=np.zeros(0, np.float32), linked=(), log_factor=b"", log_b=b"")},
        active=tuple(numbers[-3:]), next_number=keyframes + 1)


def moved(number: int) -> Changes:
    """A change of one keyframe's pose: by one metre along each axis."""
    state = stored_map().states[number]
    T = state.T_world_cam.copy()
    T[:3, 3] += 1
    return Changes([(STATES, state_row(replace(state, T_world_cam=T)))])


def difference(a: object, b: object) -> float:
    """Largest difference of the numbers in two records of one structure; infinite where anything
    else differs."""
    if isinstance(a, np.ndarray):
        if np.shape(a) != np.shape(b):
            return np.inf
        wide = [np.asarray(values, np.float64) for values in (a, b)]
        return float(np.abs(wide[0] - wide[1]).max(initial=0))
    if isinstance(a, float):
        return abs(a - b)
    if isinstance(a, dict):
        return np.inf if a.keys() != b.keys() else max(
            (difference(a[key], b[key]) for key in a), default=0.0)
    if isinstance(a, tuple):
        return np.inf if len(a) != len(b) else max(map(difference, a, b), default=0.0)
    if hasattr(a, "__dataclass_fields__"):
        return np.inf if type(a) is not type(b) else difference(vars(a), vars(b))
    return 0.0 if a == b else np.inf
