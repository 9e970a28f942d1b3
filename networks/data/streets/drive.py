"""The way of a driving camera through a town: lanes, turns at crossings, stops, and its poses."""

from dataclasses import dataclass

import numpy as np

from scenecode.core.errors import ConfigError
from scenecode.networks.data.rendering.poses import small_rotations
from scenecode.networks.data.streets.layout.kerbside import travel
from scenecode.networks.data.streets.layout.plan import ALONG_U, ALONG_V
from scenecode.networks.data.streets.layout.town import Town

#: distance of the points of a way, metres
_STEP = 0.25
#: radius of turns across the own side's corner and across the other lane, metres
_NEAR_TURN, _WIDE_TURN = 6.5, 10.0
#: braking and pulling away, and sideways acceleration in turns, m/s^2
_ALONG, _ASIDE = 1.6, 2.2
#: speed below which a stop counts as reached, m/s
_CREEP = 0.15
#: from the camera's x right, y down, z forward to x right, y forward, z up
_FROM_CAMERA = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])


@dataclass(frozen=True)
class DriveConfig:
    """How a camera is driven.  Ranges are (low, high); metres, seconds, degrees."""

    speed: tuple[float, float] = (6.5, 12.0)
    height: tuple[float, float] = (1.3, 1.8)
    #: inclination of the camera in the car, positive upwards
    pitch: tuple[float, float] = (-3.0, 1.0)
    #: probability that one turns at a crossing, and that one stops before it
    turns: float = 0.35
    stops: float = 0.25
    #: seconds of a stop
    wait: tuple[float, float] = (1.0, 3.0)
    #: factor on pitch, roll and lift from an uneven road
    bounce: float = 1.0

    def __post_init__(self):
        if not 0 < self.speed[0] <= self.speed[1] <= 40 or not 0.3 < self.height[0] <= \
                self.height[1] <= 4:
            raise ConfigError(f"streets: speed={self.speed}, height={self.height}; expected up to "
                              "40 m/s, and 0.3 to 4 m")


@dataclass(frozen=True)
class Leg:
    """A part of the way in one street."""

    axis: int
    index: int
    #: +1 towards larger u or v
    direction: int
    #: where it begins and ends along the street, plan metres
    start: float
    stop: float


@dataclass(frozen=True)
class Drive:
    """F moments of a drive."""

    #: (F, 3) plan position u, v and heading in radians, on the road below the camera
    plan: np.ndarray
    #: (F, 4, 4) float64 ``T_world_cam``
    T_world_cam: np.ndarray
    legs: tuple[Leg, ...]


def drive(town: Town, seed: int, frames: int, fps: float, config: DriveConfig = DriveConfig()
          ) -> Drive:
    """The drive of a seed; the same seed gives the same way, however many ``frames``."""
    rng = np.random.default_rng([seed, 50])
    cruise = rng.uniform(*config.speed)
    points, legs, stops = _way(town, rng, cruise * frames / fps + 60.0, config)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    heading = np.unwrap(np.arctan2(*np.gradient(points, axis=0).T[::-1]))
    times = _times(length, heading, cruise, stops, rng, config)
    at = np.interp(np.arange(frames) / fps, times, length)
    plan = np.stack([np.interp(at, length, column) for column in (*points.T, heading)], 1)
    speed = np.gradient(at, 1 / fps) if frames > 1 else np.full(1, cruise)
    poses = _poses(town, rng, plan, at, speed, fps, config)
    return Drive(plan=plan, T_world_cam=poses, legs=tuple(legs))


def _way(town: Town, rng, length: float, config: DriveConfig):
    """Points (P, 2) of the plan about ``_STEP`` apart, legs, and where one stops (lengths)."""
    plan = town.plan
    axis, index = int(rng.integers(2)), int(rng.integers(-2, 3))
    direction = 1 if rng.random() < 0.5 else -1
    other = int(rng.integers(-2, 3))
    cross = plan.street(1 - axis, other)
    at = cross.middle + direction * (cross.reach + rng.uniform(1.0, 12.0))
    lines: list[np.ndarray] = []
    legs: list[Leg] = []
    stops: list[float] = []
    done, begin = 0.0, at
    while done < length:
        other += direction
        cross, own = plan.street(1 - axis, other), plan.street(axis, index)
        choice = int(rng.choice((0, -1, 1), p=(1 - config.turns, config.turns / 2,
                                               config.turns / 2)))
        stop_here, lane = rng.random() < config.stops, _lane(town, axis, index, direction)
        line = cross.middle - direction * (cross.reach + 2.5)
        if stop_here and (line - at) * direction > 15:
            stops.append(done + abs(line - at))
        if choice == 0:
            end = cross.middle + direction * cross.reach
            lines.append(_straight(axis, lane, at, end))
            done += abs(end - at)
            at = end
            continue
        # +1 turns left, seen from above, -1 right
        turned = _turned(axis, direction, choice)
        new_axis, new_direction = turned
        new_lane = _lane(town, new_axis, other, new_direction)
        near = (choice < 0) == town.right_hand
        r = min(_NEAR_TURN if near else _WIDE_TURN, cross.reach + own.reach)
        enter, leave = new_lane - direction * r, lane + new_direction * r
        if (enter - at) * direction < 1.0:
            continue
        lines.append(_straight(axis, lane, at, enter))
        legs.append(Leg(axis=axis, index=index, direction=direction, start=begin, stop=enter))
        lines.append(_arc(axis, lane, enter, new_axis, new_lane, leave))
        done += abs(enter - at) + r * np.pi / 2
        axis, index, other, direction = new_axis, other, index, new_direction
        at = begin = leave
    legs.append(Leg(axis=axis, index=index, direction=direction, start=begin, stop=at))
    points = np.concatenate(lines)
    keep = np.concatenate([[True], np.linalg.norm(np.diff(points, axis=0), axis=1) > 1e-3])
    points = points[keep]
    return _smoothed(points, 5.0)[8:-8], legs, stops


def _lane(town: Town, axis: int, index: int, direction: int) -> float:
    """Where the outer lane of a direction is, across the street."""
    street = town.plan.street(axis, index)
    side = next(s for s in (-1, 1)
                if np.sign((np.sin if axis == ALONG_V else np.cos)(
                    travel(axis, s, town.right_hand))) == direction)
    return street.middle + side * street.lane_middle(street.lanes - 1)


def _turned(axis: int, direction: int, turn: int) -> tuple[int, int]:
    """Axis and direction after a quarter turn, +1 to the left."""
    if axis == ALONG_V:
        return ALONG_U, -direction * turn
    return ALONG_V, direction * turn


def _straight(axis: int, lane: float, start: float, stop: float) -> np.ndarray:
    along = np.linspace(start, stop, max(2, int(abs(stop - start) / _STEP) + 1))
    across = np.full_like(along, lane)
    return np.stack([across, along] if axis == ALONG_V else [along, across], 1)


def _arc(axis: int, lane: float, enter: float, new_axis: int, new_lane: float, leave: float
         ) -> np.ndarray:
    """A quarter of an ellipse between two lanes."""
    a = np.array([lane, enter] if axis == ALONG_V else [enter, lane])
    b = np.array([new_lane, leave] if new_axis == ALONG_V else [leave, new_lane])
    corner = np.array([lane, new_lane] if axis == ALONG_V else [new_lane, lane])
    size = np.abs(a - b).max()
    t = np.linspace(0, np.pi / 2, max(4, int(size * 1.5 / _STEP)))[:, None]
    centre = a + b - corner
    return centre + (a - centre) * np.cos(t) + (b - centre) * np.sin(t)


def _times(length, heading, cruise: float, stops, rng, config: DriveConfig) -> np.ndarray:
    """When each point of the way is reached, seconds, from 0."""
    step = np.maximum(np.diff(length), 1e-6)
    bend = np.abs(np.diff(heading)) / step
    bend = _smoothed(np.append(bend, bend[-1]), 4.0)
    speed = np.minimum(cruise, np.sqrt(_ASIDE / np.maximum(bend, 1e-4)))
    halts = [int(np.searchsorted(length, s)) for s in stops if s < length[-1] - 5]
    speed[halts] = _CREEP
    for k in range(1, len(speed)):
        speed[k] = min(speed[k], np.sqrt(speed[k - 1] ** 2 + 2 * _ALONG * step[k - 1]))
    for k in range(len(speed) - 2, -1, -1):
        speed[k] = min(speed[k], np.sqrt(speed[k + 1] ** 2 + 2 * _ALONG * step[k]))
    pause = np.zeros(len(speed))
    for halt in halts:
        pause[halt] = rng.uniform(*config.wait)
    return np.concatenate([[0.0], np.cumsum(2 * step / (speed[1:] + speed[:-1]) + pause[:-1])])


def _poses(town: Town, rng, plan, at, speed, fps: float, config: DriveConfig) -> np.ndarray:
    """Camera poses over plan positions (F, 3) that are ``at`` (F,) metres of the way."""
    height, mount = rng.uniform(*config.height), np.radians(rng.uniform(*config.pitch))
    aside, roll = rng.uniform(-0.3, 0.3), np.radians(rng.normal(0, 0.4))
    phase = rng.uniform(0, 2 * np.pi, (4, 3))
    wave = rng.uniform([0.05, 0.2, 0.6, 1.2], [0.1, 0.4, 1.0, 2.2], (3, 4)).T
    strength = config.bounce * np.array([[1.0], [0.6], [0.35], [0.15]])
    # an uneven road: lift (m), pitch and roll (radians) by the place, not by the time
    lift, pitch, sway = (strength[..., None] * np.sin(wave[..., None] * at + phase[..., None])
                         ).sum(0) * np.array([[0.008], [0.0025], [0.002]])
    brake = np.gradient(speed, 1 / fps) if len(speed) > 1 else np.zeros(1)
    if len(speed) > 1:
        brake = _smoothed(brake, max(0.25 * fps, 0.5))
    angles = np.stack([mount + pitch + np.radians(0.25) * brake * config.bounce, 0 * at,
                       roll + sway], 1)
    turn = small_rotations(angles)
    poses = np.tile(np.eye(4), (len(plan), 1, 1))
    for k, (u, v, heading) in enumerate(plan):
        rotation, place = town.plan.frame(u, v, heading, sloped=True)
        poses[k, :3, :3] = rotation @ _FROM_CAMERA @ turn[k]
        poses[k, :3, 3] = place + rotation @ [aside, 0.8, height + lift[k]]
    return poses


def _smoothed(values: np.ndarray, sigma: float) -> np.ndarray:
    """Smoothed along the first axis by a Gaussian of ``sigma`` samples; the ends go on."""
    from scipy.ndimage import gaussian_filter1d
    smoothed: np.ndarray = gaussian_filter1d(values, sigma, axis=0, mode="nearest")
    return smoothed
