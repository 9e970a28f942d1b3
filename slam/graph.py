"""The keyframe graph: keyframes, their states, and who looks at whom.

Only the mapping thread changes it; other threads get immutable values from it.
"""

from dataclasses import dataclass, field, replace
from math import exp

import torch
from torch import Tensor

from optim import image, se3
from optim.camera import MIN_DEPTH
from optim.warp import ViewState
from slam.keyframe import Keyframe
from slam.marginal import MarginalPrior
from slam.one_way import OneWayFrame
from slam.points import Points, Sighting


@dataclass(frozen=True)
class Loop:
    """A place that was seen again: what a newer keyframe's images say of an older one."""

    older: int
    newer: int
    #: (4, 4) T_older_newer, in the unit of the older one's depth
    T_older_newer: Tensor
    #: ln of the older one's units per unit of the newer one's depth
    log_scale: float
    #: corners that it rests on
    corners: int

    def stretched(self, older: float, newer: float) -> "Loop":
        """The same, after the depths of its keyframes were multiplied by ``exp`` of that."""
        T = self.T_older_newer.clone()
        T[:3, 3] *= exp(older)
        return replace(self, T_older_newer=T, log_scale=self.log_scale + older - newer)


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
    #: frames between keyframes that some of the window are compared with
    one_way: list[OneWayFrame] = field(default_factory=list)
    #: those that were closed, oldest first
    loops: list[Loop] = field(default_factory=list)
    #: what keyframes left behind when they left the window, and what went into it
    prior: MarginalPrior | None = None
    absorbed_links: set[tuple[int, int]] = field(default_factory=set)
    absorbed_sightings: set[tuple[int, int]] = field(default_factory=set)

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
        return KeyframeGraph(list(self.keyframes), list(self.states), set(self.links),
                             dict(self.points), dict(self.sightings), list(self.loops))

    def neighbours(self, number: int) -> list[int]:
        """Keyframes linked to one, in order."""
        return sorted({b for a, b in self.links if a == number})

    def overlap(self, a: int, b: int, level: int) -> float:
        """Share of a's pixels that fall into b's image, at the present states."""
        return float(self.seen_in(a, b, level)[2].float().mean())

    def seen_in(self, a: int, b: int, level: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Where a's pixels of a pyramid level fall in b's image (H * W, 2) at the present states,
        at which depth from b (H * W,), and a mask (H * W,) of those that do."""
        keyframe, other = self.keyframes[a], self.keyframes[b]
        camera = keyframe.camera_at(level)
        depth = keyframe.depth(self.states[a].code_depth, level).reshape(-1)
        x_a, _ = camera.backproject(camera.pixel_grid(depth.dtype, depth.device), depth)
        x_b = se3.act(self.relative(a, b), x_a)
        target = other.camera_at(level)
        pixels, _ = target.project(x_b)
        seen = (x_b[:, 2] > MIN_DEPTH) & image.inside(pixels, target.width, target.height)
        return pixels, x_b[:, 2], seen

    def relative(self, a: int, b: int) -> Tensor:
        """``T_b_a``."""
        return se3.inverse(self.states[b].T_world_cam) @ self.states[a].T_world_cam

    def pose_beside(self, number: int, T_key_cam: Tensor, scale: float) -> Tensor:
        """``T_world_cam`` of a camera that was tracked against a keyframe when its depth had
        the ``scale``: both may have changed since."""
        stretch = self.keyframes[number].scale / scale
        T = self.states[number].T_world_cam
        beside = T_key_cam.to(T)
        return T @ se3.from_rotation_translation(beside[:3, :3], stretch * beside[:3, 3])

    def pose_of(self, frame: OneWayFrame) -> Tensor:
        """``T_world_cam`` of a frame between keyframes."""
        return self.pose_beside(frame.keyframe, frame.passed.T_key_cam, frame.passed.key_scale)

    def correct(self, poses: Tensor, log_scales: Tensor) -> None:
        """Move every keyframe to poses (K, 4, 4) and multiply its depth, and that of its
        corners, by ``exp(log_scales)`` (K,).

        Codes stay as they are: depth is proportional to the ``a`` of its proximity, so that
        stretching ``a`` stretches depth exactly, at any code.
        """
        before = list(self.states)
        for n, (T, change) in enumerate(zip(poses, log_scales.tolist(), strict=True)):
            self.states[n] = replace(self.states[n], T_world_cam=T.to(self.states[n].T_world_cam))
            self.keyframes[n] = self.keyframes[n].stretched(change)
            if n in self.points:
                self.points[n] = self.points[n].stretched(change)
        if self.prior is not None:
            numbers = list(self.prior.numbers)
            self.prior = self.prior.corrected([before[n] for n in numbers],
                                              [self.states[n] for n in numbers],
                                              log_scales[numbers].tolist())
        self.loops = [loop.stretched(float(log_scales[loop.older]), float(log_scales[loop.newer]))
                      for loop in self.loops]

    def median_depth(self, number: int) -> float:
        """Metres."""
        keyframe, state = self.keyframes[number], self.states[number]
        coarsest = len(keyframe.pyramid) - 1
        return float(torch.median(keyframe.depth(state.code_depth, coarsest)))
