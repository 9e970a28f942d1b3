"""What a real camera does to a picture: exposure, white balance, blur and noise."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class EffectsConfig:
    """Strengths; 0 switches an effect off."""

    #: deviation of the log exposure, fixed over a sequence
    exposure: float = 0.2
    #: amplitude of the slow drift of the log exposure over time
    drift: float = 0.05
    #: deviation of the log gain of red and of blue
    white_balance: float = 0.05
    #: deviation of the log contrast exponent
    contrast: float = 0.1
    #: largest deviation of the blur kernel, pixels
    blur: float = 0.7
    #: largest noise deviation at mid brightness, intensity 0-1
    noise: float = 0.02


def camera_effects(image: np.ndarray, seed: int, index: int = 0, fps: float = 30.0,
                   config: EffectsConfig = EffectsConfig()) -> np.ndarray:
    """A picture (H, W, 3) uint8 as frame ``index`` of the camera of a seed would give it.

    Exposure, balance, contrast, blur and noise level belong to the seed; the drift follows
    the index smoothly; the noise is fresh in every frame.  Deterministic in both.
    """
    rng = np.random.default_rng([seed, 4])
    gain = np.exp(config.exposure * rng.standard_normal())
    hertz, phase = rng.uniform(0.05, 0.2), rng.uniform(0, 2 * np.pi)
    gain *= np.exp(config.drift * np.sin(2 * np.pi * hertz * index / fps + phase))
    red, blue = np.exp(config.white_balance * rng.standard_normal(2))
    exponent = np.exp(config.contrast * rng.standard_normal())
    blur, noise = config.blur * rng.random(), config.noise * rng.random()
    x: np.ndarray = image.astype(np.float32) / 255
    if blur > 0.2:
        x = cv2.GaussianBlur(x, (0, 0), blur)
    x = np.clip(x * np.array([red, 1.0, blue], np.float32) * np.float32(gain), 0, 1) ** exponent
    fresh = np.random.default_rng([seed, 5, index])
    x = x + noise * np.sqrt(0.25 + 1.5 * x) * fresh.standard_normal(x.shape, dtype=np.float32)
    return np.clip(x * 255 + 0.5, 0, 255).astype(np.uint8)
