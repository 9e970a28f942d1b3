"""The keyframe graph: keyframes, their states, and who looks at whom.

Only the mapping thread changes it; other threads get immutable values from it.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from optim import image, se3
from optim.camera import MIN_DEPTH
from optim.warp import ViewState
from slam.keyframe import Keyframe
from slam.points import Points, Sighting


@dataclass
class KeyframeGraph:
    keyframes: list[Keyframe] = field(default_factory=list)
    #: one for each keyframe
    states: list[ViewState] = field(default_factory=list)
    #: directed pairs (a, b): pixels of a are warped into b
    links: set[tuple[int, int]] = field(default_factory=set)
    #: by keyframe: the corners that it introduced
    points: dict[int, Points] = field(default_factory=dict)
    #: by pairs (a, b): points of a as b sees them
    sightings: dict[tuple[int, int], Sighting] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keyframes)

    def add(self, keyframe: Keyframe, state: ViewState) -> int:
        """Append; returns its number."""
        self.keyframes.append(keyframe)
        self.states.append(state)
        return len(self.keyframes) - 1

    def link(self, a: int, b: int) -> None:
        """Link two keyframes both ways."""
        self.links |= {(a, b), (b, a)}

    def frozen(self) -> "KeyframeGraph":
        """A copy for another thread; what it holds is immutable."""
        return KeyframeGraph(list(self.keyframes), list(self.states), set(self.links))

    def neighbours(self, number: int) -> list[int]:
        """Keyframes linked to one, in order."""
        return sorted({b for a, b in self.links if a == number})

    def overlap(self, a: int, b: int, level: int) -> float:
        """Share of a's pixels that fall into b's image, at the present states."""
        keyframe, other = self.keyframes[a], self.keyframes[b]
        camera = keyframe.camera_at(level)
        depth = keyframe.depth(self.states[a].code_depth, level).reshape(-1)
        x_a, _ = camera.backproject(camera.pixel_grid(depth.dtype, depth.device), depth)
        x_b = se3.act(self.relative(a, b), x_a)
        target = other.camera_at(level)
        pixels, _ = target.project(x_b)
        seen = (x_b[:, 2] > MIN_DEPTH) & image.inside(pixels, target.width, target.height)
        return float(seen.float().mean())

    def relative(self, a: int, b: int) -> Tensor:
        """``T_b_a``."""
        return se3.inverse(self.states[b].T_world_cam) @ self.states[a].T_world_cam

    def median_depth(self, number: int) -> float:
        """Metres."""
        keyframe, state = self.keyframes[number], self.states[number]
        coarsest = len(keyframe.pyramid) - 1
        return float(torch.median(keyframe.depth(state.code_depth, coarsest)))
