"""The keyframe graph: keyframes, their states, links, landmarks and closed loops.

Only the mapping thread changes it; other threads get immutable values from it.
"""

from dataclasses import dataclass, field, replace
from math import exp

from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.warp import ViewState, in_view
from scenecode.slam.map.keyframe import Keyframe
from scenecode.slam.map.keyframe_geometry import KeyframeGeometry, keyframe_geometry
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


    def at_heir(self, culled: int, redirect: "Redirect") -> "Loop":
        """The same with one end moved from a culled keyframe to its heir.

        The heir's and the culled keyframe's depths have one unit: both are in the map's.
        """
        T_heir_culled = redirect.T_heir_culled.to(self.T_older_newer)
        if self.older == culled:
            return replace(self, older=redirect.keyframe,
                           T_older_newer=T_heir_culled @ self.T_older_newer)
        T_culled_heir = se3.inverse(T_heir_culled)
        T_culled_heir[:3, 3] *= exp(self.log_scale)
        return replace(self, newer=redirect.keyframe,
                       T_older_newer=self.T_older_newer @ T_culled_heir)


@dataclass(frozen=True)
class Redirect:
    """Where what hung on a culled keyframe hangs now."""

    #: the heir: another keyframe of the same place, which may be culled later itself
    keyframe: int
    #: (4, 4) at the time of the culling
    T_heir_culled: Tensor
    #: scales of both keyframes at that time
    scale_culled: float
    scale_heir: float


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
    """The map: keyframes and what connects them.

    Keyframes are numbered in the order in which they were added; the numbers of culled ones are
    not used again.  The ``active`` ones are optimised, all others rest.
    """

    #: by number, in rising order
    keyframes: dict[int, Keyframe] = field(default_factory=dict)
    states: dict[int, ViewState] = field(default_factory=dict)
    #: the window: keyframes that are optimised, the one that became active last at the end
    active: list[int] = field(default_factory=list)
    #: the number of the next keyframe
    next_number: int = 0
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
    #: keyframes that are not yet placed in the world frame of the map, and the part, from 1, whose
    #: own world frame they are in
    part_of: dict[int, int] = field(default_factory=dict)
    #: by number of a culled keyframe
    redirects: dict[int, Redirect] = field(default_factory=dict)
    #: by camera: seconds that its shutter takes across and down the image, as the last global
    #: adjustment estimated them; not kept in map files
    shutters: dict[PinholeCamera, tuple[float, float]] = field(default_factory=dict)
    #: kept by ``geometry``, with the keyframe and the depth code that each is of
    _geometry: dict[int, tuple[Keyframe, Tensor, KeyframeGeometry]] = field(
        default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.keyframes)

    @property
    def first(self) -> int:
        """The keyframe whose pose is fixed."""
        return next(iter(self.keyframes))

    @property
    def origins(self) -> set[int]:
        """Keyframes whose pose is fixed: the first one, and the first one of every part."""
        first: dict[int, int] = {}
        for number in self.keyframes:
            first.setdefault(self.part(number), number)
        return set(first.values())

    def part(self, number: int) -> int:
        """The part that a keyframe, or the heir of a culled one, is in; 0 in the world frame of
        the map."""
        return self.part_of.get(self.heir_of(number), 0)

    def outside(self, part: int) -> set[int]:
        """Keyframes of other parts."""
        if not self.part_of and not part:
            return set()
        return {n for n in self.keyframes if self.part_of.get(n, 0) != part}

    @property
    def newest(self) -> int:
        """The keyframe that was added last."""
        return next(reversed(self.keyframes))

    @property
    def resting(self) -> list[int]:
        """Keyframes outside the window, in order."""
        active = set(self.active)
        return [n for n in self.keyframes if n not in active]

    def add(self, keyframe: Keyframe, state: ViewState) -> int:
        """Append a keyframe, active; returns its number."""
        number = self.next_number
        self.next_number += 1
        self.keyframes[number] = keyframe
        self.states[number] = state
        self.active.append(number)
        return number

    def rest(self, number: int) -> None:
        """Take a keyframe out of the window."""
        self.active.remove(number)
        # while its prediction is still in memory
        self.geometry(number)

    def activate(self, number: int, max_links: int) -> None:
        """Put a resting keyframe into the window again.

        The residuals between it and active keyframes, and the ``max_links`` resting ones that show
        most of what it shows, count again, the latter fixed: what they told about keyframes of an
        earlier window has become constant with these.
        """
        neighbours = self.neighbours(number)
        shown = sorted((n for n in neighbours if n not in self.active), reverse=True,
                       key=lambda n: self.coarse_overlap(number, n))[:max_links]
        shown += [n for n in neighbours if n in self.active]
        self.active.append(number)
        self.absorbed_links -= {pair for n in shown for pair in ((n, number), (number, n))}
        self.absorbed_observations -= {pair for n in shown for pair in ((n, number), (number, n))}

    def is_absorbed_by_prior(self, number: int) -> bool:
        """Whether the residuals between a resting keyframe and active ones are part of the
        marginal prior, so that they must not be counted again."""
        constrained = () if self.prior is None else self.prior.numbers
        return any((number, n) in self.absorbed_links for n in constrained)

    def cull(self, number: int, heir: int) -> None:
        """Remove a resting keyframe; what hung on it hangs on the ``heir``, another keyframe of
        the same place."""
        redirect = Redirect(
            keyframe=heir, T_heir_culled=self.relative(number, heir),
            scale_culled=self.keyframes[number].scale, scale_heir=self.keyframes[heir].scale)
        for neighbour in self.neighbours(number):
            if neighbour != heir and (heir, neighbour) not in self.links:
                # it only holds the graph together: no residuals
                self.link(heir, neighbour)
                self.absorbed_links |= {(heir, neighbour), (neighbour, heir)}
        for pairs in (self.links, self.absorbed_links, self.absorbed_observations):
            pairs -= {pair for pair in pairs if number in pair}
        self.observations = {pair: o for pair, o in self.observations.items()
                             if number not in pair}
        moved = [loop if number not in (loop.older, loop.newer)
                 else loop.at_heir(number, redirect) for loop in self.loops]
        self.loops = [loop for loop in moved if loop.older != loop.newer]
        for held in (self.keyframes, self.states, self.landmarks, self._geometry, self.part_of):
            held.pop(number, None)
        self.redirects[number] = redirect

    def geometry(self, number: int) -> KeyframeGeometry:
        """Coarse depth of a keyframe at its present code; computed once for each code."""
        keyframe, code = self.keyframes[number], self.states[number].code_depth
        known = self._geometry.get(number)
        if known is not None and known[0] is keyframe and known[1] is code:
            return known[2]
        found = keyframe_geometry(keyframe, code)
        self._geometry[number] = keyframe, code, found
        return found

    def known_geometry(self, number: int) -> KeyframeGeometry | None:
        """``geometry`` where it is at hand without the network."""
        known = self._geometry.get(number)
        if known is None or known[0] is not self.keyframes[number] \
                or known[1] is not self.states[number].code_depth:
            return None
        return known[2]

    def add_geometry(self, number: int, geometry: KeyframeGeometry) -> None:
        """Set what ``geometry`` gives for a keyframe at its present code and scale."""
        self._geometry[number] = (self.keyframes[number], self.states[number].code_depth,
                                  geometry)

    def note_motion(self, number: int, motion: Tensor) -> None:
        """Set the motion (6,) of a keyframe; what is known of its depth stays."""
        known = self.known_geometry(number)
        self.keyframes[number] = self.keyframes[number].with_motion(motion)
        if known is not None:
            self.add_geometry(number, known)

    def link(self, a: int, b: int) -> None:
        """Link two keyframes both ways."""
        self.links |= {(a, b), (b, a)}

    def frozen(self) -> "KeyframeGraph":
        """A copy for another thread; what it holds is immutable."""
        return replace(self, keyframes=dict(self.keyframes), states=dict(self.states),
                       active=list(self.active), links=set(self.links),
                       landmarks=dict(self.landmarks), observations=dict(self.observations),
                       loops=list(self.loops), part_of=dict(self.part_of),
                       absorbed_links=set(self.absorbed_links),
                       absorbed_observations=set(self.absorbed_observations),
                       redirects=dict(self.redirects), shutters=dict(self.shutters),
                       _geometry=dict(self._geometry))

    def neighbours(self, number: int) -> list[int]:
        """Keyframes linked to one, in order."""
        return sorted({b for a, b in self.links if a == number})

    def overlap(self, a: int, b: int, level: int) -> float:
        """Share of a's pixels that project into b's image, at the present states."""
        return float(self.project(a, b, level).in_view.float().mean())

    def coarse_overlap(self, a: int, b: int) -> float:
        """As ``overlap``, from a's coarse grid of points."""
        camera = self.keyframes[b].camera
        x_b = se3.act(self.relative(a, b), self.geometry(a).grid)
        pixels, _ = camera.project(x_b)
        return float(in_view(x_b, pixels, camera).float().mean())

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

    def heir_of(self, number: int) -> int:
        """The keyframe itself, or the one on which hangs what hung on it before it was culled."""
        while number in self.redirects:
            number = self.redirects[number].keyframe
        return number

    def pose_from_keyframe(self, number: int, T_key_cam: Tensor, scale: float) -> Tensor:
        """``T_world_cam`` of a camera that was tracked against a keyframe when that one had the
        ``scale``: its pose and scale may have changed since, and it may have been culled."""
        while number in self.redirects:
            redirect = self.redirects[number]
            T_key_cam = redirect.T_heir_culled @ _stretched(
                T_key_cam.to(redirect.T_heir_culled), redirect.scale_culled / scale)
            number, scale = redirect.keyframe, redirect.scale_heir
        T_world_key = self.states[number].T_world_cam
        return T_world_key @ _stretched(T_key_cam.to(T_world_key),
                                        self.keyframes[number].scale / scale)

    def correct(self, poses: Tensor, log_scales: Tensor) -> None:
        """Move every keyframe to poses (K, 4, 4) and multiply its depth, and that of its
        landmarks, by ``exp(log_scales)`` (K,), both in the order of the numbers.

        Codes stay as they are: depth is proportional to the ``a`` of its proximity, so that
        rescaling ``a`` rescales depth exactly, at any code.
        """
        before = dict(self.states)
        change = dict(zip(self.keyframes, log_scales.tolist(), strict=True))
        for (n, log_factor), T in zip(change.items(), poses, strict=True):
            self.states[n] = replace(self.states[n], T_world_cam=T.to(self.states[n].T_world_cam))
            self.keyframes[n] = self.keyframes[n].rescaled(log_factor)
            if n in self.landmarks:
                self.landmarks[n] = self.landmarks[n].rescaled(log_factor)
            if n in self._geometry:
                self._geometry[n] = (self.keyframes[n], self.states[n].code_depth,
                                     self._geometry[n][2].rescaled(log_factor))
        if self.prior is not None:
            numbers = self.prior.numbers
            self.prior = self.prior.corrected([before[n] for n in numbers],
                                              [self.states[n] for n in numbers],
                                              [change[n] for n in numbers])
        self.loops = [loop.rescaled(change[loop.older], change[loop.newer])
                      for loop in self.loops]

    def median_depth(self, number: int) -> float:
        """Of a keyframe at its present code, metres."""
        return self.geometry(number).median_depth


def _stretched(T: Tensor, factor: float) -> Tensor:
    """A pose (4, 4) whose translation is multiplied by a factor."""
    return se3.from_rotation_translation(T[:3, :3], factor * T[:3, 3])
