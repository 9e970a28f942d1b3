"""Camera poses in a room: smooth hand-held paths and single random views."""

from dataclasses import dataclass

import numpy as np

from scenecode.core.errors import ConfigError
from scenecode.networks.data.rendering.poses import look_at, small_rotations
from scenecode.networks.data.rendering.raster import rasterise
from scenecode.networks.data.rooms.layout import Room
from scenecode.optim.geometry.camera import PinholeCamera


@dataclass(frozen=True)
class PathConfig:
    """How a hand-held camera moves.  Metres, seconds, degrees."""

    #: mean speed
    speed: float = 0.4
    #: largest sway of the camera's place from the path's middle, tried first
    reach: float = 0.75
    #: sway of the gaze around the place looked at
    yaw_sway: float = 20.0
    pitch_sway: float = 7.0
    roll_sway: float = 2.5
    #: tremor of the hand, at about 2 to 5 Hz
    tremor: float = 0.0008
    tremor_angle: float = 0.08
    #: least distance from every surface
    clearance: float = 0.35
    #: height of the path's middle
    height: tuple[float, float] = (1.2, 1.6)
    #: distance of what is looked at
    gaze: tuple[float, float] = (1.0, 4.0)

    def __post_init__(self):
        if not self.speed > 0 or not self.reach > 0 or self.clearance < 0:
            raise ConfigError(f"rooms path: speed {self.speed} and reach {self.reach} must be "
                              f"positive, clearance {self.clearance} not negative")


#: what a path or view is judged by: a small picture of the room
_PROBE = PinholeCamera(fx=44.0, fy=44.0, cx=23.5, cy=17.5, width=48, height=36)
#: no probe pixel may be nearer than this, metres
_NEAREST = 0.5
#: views with this many faces, and this median depth in metres, are rich enough; those with
#: less variety of classes (entropy, nats) than _POOR are worth nothing
_MANY_FACES, _FAR, _POOR = 60, 2.2, 0.4
_TRIES = 60
_GOOD_VIEW = 0.5
_FLATTEN = np.array([1.0, 1.0, 0.35])


def hand_held_path(room: Room, seed: int, frames: int, fps: float = 30.0,
                   config: PathConfig = PathConfig()) -> np.ndarray:
    """Poses ``T_world_cam`` (frames, 4, 4) float64 of a hand-held camera.

    The place sways along a closed-looking curve (sums of sines that come back near where
    they were), the gaze follows a fixed place on the furniture and sways around it.  Of
    several candidates that keep the clearance, the one with the richest view is taken.

    Raises ``ConfigError`` where the room has no space for the path.
    """
    rng = np.random.default_rng([seed, 3])
    seconds = np.arange(frames) / fps
    best, best_score = None, -np.inf
    reach, found = config.reach, 0
    for attempt in range(4 * _TRIES):
        if attempt % _TRIES == _TRIES - 1:
            reach *= 0.6
        poses = _candidate(room, rng, seconds, reach, config)
        if poses is None:
            continue
        score = min(view_richness(room, T) for T in poses[::max(1, frames // 6)])
        if score > best_score:
            best, best_score = poses, score
        found += score > 0
        if found >= 6:
            break
    if best is None:
        raise ConfigError(f"room {room.seed}: no path keeps {config.clearance} m clear of all "
                          "surfaces; lower the clearance, the reach or the room's density")
    return best


def _candidate(room: Room, rng, seconds, reach: float, config: PathConfig):
    """One random path, or None where it touches something."""
    size = np.array(room.size)
    if size.min() <= 2 * config.clearance:
        return None
    middle = rng.uniform(config.clearance, size - config.clearance)
    middle[2] = rng.uniform(*config.height)
    sway = _sway(rng, seconds, 3, config.speed / reach) * reach * _FLATTEN
    place = middle + sway
    if room.clearance(place[:: 3]).min() < config.clearance + 0.02:
        return None
    angle, distance = rng.uniform(-np.pi, np.pi), rng.uniform(*config.gaze) + reach
    target = middle + distance * np.array([np.cos(angle), np.sin(angle), 0.0])
    target = np.clip(target, 0.05, size - 0.05)
    target[2] = rng.uniform(0.5, 1.2)
    if np.linalg.norm((target - middle)[:2]) < config.gaze[0] + 0.5 * reach:
        return None
    degrees = np.array([config.pitch_sway, config.yaw_sway, config.roll_sway])
    turn = np.radians(_sway(rng, seconds, 3, config.speed / reach) * degrees)
    place = place + config.tremor * _tremor(rng, seconds)
    turn = turn + np.radians(config.tremor_angle) * _tremor(rng, seconds)
    poses = np.stack([look_at(p, target) for p in place])
    poses[:, :3, :3] = poses[:, :3, :3] @ small_rotations(turn)
    return poses


def _sway(rng, seconds, count: int, rate: float) -> np.ndarray:
    """Smooth signals (N, count) in about [-1, 1]; ``rate`` is the mean |change| per second
    of a signal triple, in units of the amplitude."""
    omega = rate * np.array([1.0, 1.07, 1.55])[:count]
    phase = rng.uniform(0, 2 * np.pi, (2, count))
    slow = np.sin(omega * seconds[:, None] + phase[0])
    fast = np.sin(2.3 * omega * seconds[:, None] + phase[1])
    return 0.85 * slow + 0.15 * fast


def _tremor(rng, seconds) -> np.ndarray:
    """Quick signals (N, 3) of about unit deviation."""
    hertz, phase = rng.uniform(2.0, 5.0, (3, 3)), rng.uniform(0, 2 * np.pi, (3, 3))
    waves = np.sin(2 * np.pi * hertz * seconds[:, None, None] + phase)
    return waves.sum(1) * np.sqrt(2 / 3)


def view_richness(room: Room, T_world_cam: np.ndarray) -> float:
    """How much a view shows: 0 where something is too near or one surface fills it."""
    visible = rasterise(room.faces, T_world_cam, _PROBE)
    face = visible.face[visible.face >= 0]
    if face.size < visible.face.size or visible.inverse_depth.max() > 1 / _NEAREST:
        return 0.0
    share = np.bincount(room.faces.label[face]) / face.size
    share = share[share > 0]
    variety = float(-(share * np.log(share)).sum())
    surfaces = min(1.0, len(np.unique(face)) / _MANY_FACES)
    roomy = min(1.0, 1 / (_FAR * float(np.median(visible.inverse_depth))))
    return max(0.0, variety - _POOR) * surfaces * roomy


def random_view(room: Room, rng: np.random.Generator, clearance: float = 0.3) -> np.ndarray:
    """``T_world_cam`` (4, 4) of a plausible snapshot: standing somewhere, looking at the room."""
    size = np.array(room.size)
    best, best_score = None, -1.0
    for _ in range(_TRIES):
        position = rng.uniform(clearance, size - clearance)
        position[2] = np.clip(rng.normal(1.35, 0.25), 0.7, size[2] - clearance)
        if room.clearance(position[None])[0] < clearance:
            continue
        yaw, pitch = rng.uniform(-np.pi, np.pi), np.radians(rng.normal(-10, 10))
        direction = np.array([np.cos(yaw), np.sin(yaw), np.tan(np.clip(pitch, -1.0, 0.6))])
        T = look_at(position, position + direction)
        T[:3, :3] = T[:3, :3] @ small_rotations(np.radians([[0, 0, rng.normal(0, 2.5)]]))[0]
        score = view_richness(room, T)
        if score > best_score:
            best, best_score = T, score
        if score > _GOOD_VIEW:
            break
    if best is None:
        raise ConfigError(f"room {room.seed}: nowhere is {clearance} m clear of all surfaces; "
                          "lower the room's density")
    return best
