"""Where a map is looked at from.  Coordinates are of the ground frame: z up, metres."""

from dataclasses import dataclass

import numpy as np

from scenecode.core.errors import ConfigError

#: Vertical field of view and how steeply each named view looks down, degrees.
FOV_DEG = 50.0
VIEWS = {"fit": 32.0, "bird": 57.0, "top": 90.0}
#: Share of the picture, in both directions, that the map's box may fill; its corners are empty.
_FILLED = 1.12


@dataclass(frozen=True)
class Eye:
    """A pinhole camera that looks at a point of the map."""

    #: (3, 3) rows right, down and ahead
    rotation: np.ndarray
    #: (3,)
    position: np.ndarray

    def seen(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) in the camera frame."""
        return (points - self.position) @ self.rotation.T


def eye_at(view: str, low: np.ndarray, high: np.ndarray, turn: float, aspect: float) -> Eye:
    """The eye that sees the box from ``low`` to ``high`` (3,) whole, turned by ``turn`` radians
    about the vertical.  Raises ``ConfigError`` for an unknown view."""
    if view not in VIEWS:
        raise ConfigError(f"there is no view {view!r}; choose one of {', '.join(VIEWS)}")
    pitch = np.radians(VIEWS[view])
    flat = np.array([np.cos(turn), np.sin(turn), 0])
    ahead = np.cos(pitch) * flat - np.sin(pitch) * np.array([0, 0, 1.0])
    right = np.array([np.sin(turn), -np.cos(turn), 0])
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    tangent = _FILLED * np.tan(np.radians(FOV_DEG) / 2)
    corners = (np.stack(np.meshgrid(*[(-0.5, 0.5)] * 3), -1).reshape(-1, 3) * (high - low)) \
        @ rotation.T
    wanted = np.abs(corners[:, :2]) / (tangent * aspect, tangent) - corners[:, 2:]
    distance = max(float(wanted.max()), 0.3)
    return Eye(rotation=rotation, position=(low + high) / 2 - distance * ahead)
