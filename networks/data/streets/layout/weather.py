"""Sun, sky and haze of a town, and how they light a point."""

from dataclasses import dataclass

import numpy as np

from scenecode.networks.data.rendering.patterns import noise

_KINDS = ("clear", "fair", "overcast", "haze", "evening")


@dataclass(frozen=True)
class Weather:
    """Colours are linear red, green, blue about 1."""

    #: unit vector to the sun
    sun: np.ndarray
    #: light of the sun on a surface that faces it, and of the sky from above
    direct: np.ndarray
    ambient: np.ndarray
    #: display colours of the sky overhead and at the horizon, which far things fade to
    zenith: np.ndarray
    horizon: np.ndarray
    #: metres after which two thirds of a colour have faded
    visibility: float
    #: (S, S) amount of cloud in [0, 1], repeating
    clouds: np.ndarray
    #: factor on the display's brightness
    exposure: float


def weather(rng: np.random.Generator) -> Weather:
    """A random hour of a random day."""
    kind = str(rng.choice(_KINDS, p=(0.3, 0.3, 0.2, 0.1, 0.1)))
    height = np.radians(rng.uniform(12, 22) if kind == "evening" else rng.uniform(25, 62))
    azimuth = rng.uniform(0, 2 * np.pi)
    sun = np.array([np.cos(height) * np.cos(azimuth), np.cos(height) * np.sin(azimuth),
                    np.sin(height)])
    warm = np.array([1.0, 0.95, 0.86]) if kind != "evening" else np.array([1.0, 0.78, 0.55])
    strength = {"clear": 1.0, "fair": 0.9, "overcast": 0.0, "haze": 0.35, "evening": 0.75}[kind]
    sky = {"clear": 0.42, "fair": 0.5, "overcast": 0.85, "haze": 0.7, "evening": 0.42}[kind]
    blue = np.array([0.9, 0.97, 1.12]) if kind in ("clear", "fair", "evening") else np.ones(3)
    cover = {"clear": 1.6, "fair": 0.2, "overcast": -1.2, "haze": 1.0, "evening": 0.6}[kind]
    pattern = 0.8 * noise(rng, 1.9) + 0.25 * noise(rng, 1.2)
    clouds = np.clip(0.5 + (pattern - cover) * 0.9, 0, 1)
    if kind == "overcast":
        zenith = np.full(3, rng.uniform(0.68, 0.85)) * [0.97, 0.99, 1.02]
        horizon = np.full(3, rng.uniform(0.8, 0.92))
    else:
        zenith = np.array([0.28, 0.48, 0.8]) * rng.uniform(0.85, 1.15)
        horizon = np.array([0.75, 0.84, 0.93]) * rng.uniform(0.95, 1.05)
        if kind == "evening":
            horizon = np.array([0.98, 0.82, 0.62])
        if kind == "haze":
            zenith = 0.5 * zenith + 0.4
    return Weather(sun=sun, direct=strength * warm * rng.uniform(0.85, 1.1), ambient=sky * blue,
                   zenith=zenith, horizon=np.clip(horizon, 0, 1),
                   visibility=rng.uniform(150, 300) if kind == "haze" else rng.uniform(500, 2000),
                   clouds=clouds.astype(np.float32), exposure=rng.uniform(0.9, 1.1))
