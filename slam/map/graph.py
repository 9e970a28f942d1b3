"""The keyframe graph: keyframes, their states, and who looks at whom.

Only the mapping thread changes it; other threads get immutable values from it.
"""

from dataclasses import dataclass, field, replace
from math import exp

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH
from scenecode.optim.imaging import image
from scenecode.optim.warp import ViewState
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.map.landmarks import Landmarks, Observation
from scenecode.slam.map.marginal_prior import MarginalPrior


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

    def rescaled(self, older: float, newer: float) -> "Loop":
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
    #: by keyframe: the landmarks that it introduced
    landmarks: dict[int, Landmarks] = field(default_factory=dict)
    #: by pairs (a, b): landmarks of a as b sees them
    observations: dict[tuple[int, int], Observation] = field(default_factory=dict)
    #: those that were closed, oldest first
    loops: list[Loop] = field(default_factory=list)
    #: what keyframes left behind when they left the window, and what went into it
    prior: MarginalPrior | None = None
    absorbed_links: set[tuple[int, int]] = field(default_factory=set)
    absorbed_observations: set[tuple[int, int]] = field(default_factory=set)

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
        return replace(self, keyframes=list(self.keyframes), states=list(self.states),
                       links=set(self.links), landmarks=dict(self.landmarks),
                       observations=dict(self.observations), loops=list(self.loops),
                       absorbed_links=set(self.absorbed_links),
                       absorbed_observations=set(self.absorbed_observations))

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

    def pose_from_keyframe(self, number: int, T_key_cam: Tensor, scale: float) -> Tensor:
        """``T_world_cam`` of a camera that was tracked against a keyframe when its depth had
        the ``scale``: both may have changed since."""
        stretch = self.keyframes[number].scale / scale
        T = self.states[number].T_world_cam
        beside = T_key_cam.to(T)
        return T @ se3.from_rotation_translation(beside[:3, :3], stretch * beside[:3, 3])

    def correct(self, poses: Tensor, log_scales: Tensor) -> None:
        """Move every keyframe to poses (K, 4, 4) and multiply its depth, and that of its
        corners, by ``exp(log_scales)`` (K,).

        Codes stay as they are: depth is proportional to the ``a`` of its proximity, so that
        stretching ``a`` stretches depth exactly, at any code.
        """
        before = list(self.states)
        for n, (T, change) in enumerate(zip(poses, log_scales.tolist(), strict=True)):
            self.states[n] = replace(self.states[n], T_world_cam=T.to(self.states[n].T_world_cam))
            self.keyframes[n] = self.keyframes[n].rescaled(change)
            if n in self.landmarks:
                self.landmarks[n] = self.landmarks[n].rescaled(change)
        if self.prior is not None:
            numbers = list(self.prior.numbers)
            self.prior = self.prior.corrected([before[n] for n in numbers],
                                              [self.states[n] for n in numbers],
                                              log_scales[numbers].tolist())
        self.loops = [loop.rescaled(float(log_scales[loop.older]), float(log_scales[loop.newer]))
                      for loop in self.loops]

    def median_depth(self, number: int) -> float:
        """Metres."""
        keyframe, state = self.keyframes[number], self.states[number]
        coarsest = len(keyframe.pyramid) - 1
        return float(torch.median(keyframe.depth(state.code_depth, coarsest)))
