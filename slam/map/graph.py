"""The keyframe graph: keyframes, their states, links, landmarks and closed loops.

Only the mapping thread changes it; other threads get immutable values from it.
"""

from dataclasses import dataclass, field, replace
from math import exp

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.warp import ViewState, in_view
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.map.landmarks import Landmarks, Observation
from scenecode.slam.map.marginal_prior import MarginalPrior


@dataclass(frozen=True)
class Loop:
    """A measured relative pose and scale of two keyframes that see the same place."""

    older: int
    newer: int
    #: (4, 4) T_older_newer, in the unit of the older one's depth
    T_older_newer: Tensor
    #: ln of the older one's units per unit of the newer one's depth
    log_scale: float
    #: landmarks that it was measured from
    num_landmarks: int

    def rescaled(self, log_older: float, log_newer: float) -> "Loop":
        """The same after the depths of its keyframes were multiplied by ``exp(log_older)`` and
        ``exp(log_newer)``."""
        T = self.T_older_newer.clone()
        T[:3, 3] *= exp(log_older)
        return replace(self, T_older_newer=T,
                       log_scale=self.log_scale + log_older - log_newer)


@dataclass(frozen=True)
class ProjectedPixels:
    """The N pixels of a keyframe as they project into another one."""

    #: (N, 2) in the other
    pixels: Tensor
    #: (N,) from the other, metres
    depth: Tensor
    #: (N,) bool: in front of the other and inside its image
    in_view: Tensor


@dataclass
class KeyframeGraph:
    """The map: keyframes, numbered in the order in which they were added, and what connects
    them."""

    keyframes: list[Keyframe] = field(default_factory=list)
    #: one for each keyframe
    states: list[ViewState] = field(default_factory=list)
    #: directed pairs (a, b): pixels of a are warped into b
    links: set[tuple[int, int]] = field(default_factory=set)
    #: by keyframe: the landmarks that it introduced
    landmarks: dict[int, Landmarks] = field(default_factory=dict)
    #: by pairs (a, b): b's observations of landmarks of a
    observations: dict[tuple[int, int], Observation] = field(default_factory=dict)
    #: loops that were closed, oldest first
    loops: list[Loop] = field(default_factory=list)
    #: marginal prior of the keyframes that left the window, and the links and observations whose
    #: residuals it absorbed
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
        """Share of a's pixels that project into b's image, at the present states."""
        return float(self.project(a, b, level).in_view.float().mean())

    def project(self, a: int, b: int, level: int = 0) -> ProjectedPixels:
        """Project a's H * W pixels of a pyramid level into b's image, at the present states."""
        keyframe, other = self.keyframes[a], self.keyframes[b]
        camera = keyframe.camera_at(level)
        depth = keyframe.depth(self.states[a].code_depth, level).reshape(-1)
        x_a, _ = camera.backproject(camera.pixel_grid(depth.dtype, depth.device), depth)
        x_b = se3.act(self.relative(a, b), x_a)
        target = other.camera_at(level)
        pixels, _ = target.project(x_b)
        return ProjectedPixels(pixels=pixels, depth=x_b[:, 2],
                               in_view=in_view(x_b, pixels, target))

    def relative(self, a: int, b: int) -> Tensor:
        """``T_b_a``."""
        return se3.inverse(self.states[b].T_world_cam) @ self.states[a].T_world_cam

    def pose_from_keyframe(self, number: int, T_key_cam: Tensor, scale: float) -> Tensor:
        """``T_world_cam`` of a camera that was tracked against a keyframe when that one had the
        ``scale``: its pose and scale may have changed since."""
        T_world_key = self.states[number].T_world_cam
        T = T_key_cam.to(T_world_key)
        rescaled = self.keyframes[number].scale / scale * T[:3, 3]
        return T_world_key @ se3.from_rotation_translation(T[:3, :3], rescaled)

    def correct(self, poses: Tensor, log_scales: Tensor) -> None:
        """Move every keyframe to poses (K, 4, 4) and multiply its depth, and that of its
        landmarks, by ``exp(log_scales)`` (K,).

        Codes stay as they are: depth is proportional to the ``a`` of its proximity, so that
        rescaling ``a`` rescales depth exactly, at any code.
        """
        before = list(self.states)
        for n, (T, log_factor) in enumerate(zip(poses, log_scales.tolist(), strict=True)):
            self.states[n] = replace(self.states[n], T_world_cam=T.to(self.states[n].T_world_cam))
            self.keyframes[n] = self.keyframes[n].rescaled(log_factor)
            if n in self.landmarks:
                self.landmarks[n] = self.landmarks[n].rescaled(log_factor)
        if self.prior is not None:
            numbers = list(self.prior.numbers)
            self.prior = self.prior.corrected([before[n] for n in numbers],
                                              [self.states[n] for n in numbers],
                                              log_scales[numbers].tolist())
        self.loops = [loop.rescaled(float(log_scales[loop.older]), float(log_scales[loop.newer]))
                      for loop in self.loops]

    def median_depth(self, number: int) -> float:
        """Of a keyframe at its present code, metres."""
        keyframe, state = self.keyframes[number], self.states[number]
        coarsest = len(keyframe.pyramid) - 1
        return float(torch.median(keyframe.depth(state.code_depth, coarsest)))
