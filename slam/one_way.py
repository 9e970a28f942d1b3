"""One-way frames: keyframes are compared with them, and they with nothing.

No network looks at a frame between keyframes, so that it has neither depth nor labels, and adds
no more than a pose to the window.  What it does have is an image from near by: an early small
baseline for the keyframe behind it, and a first view of the one ahead (Czarnowski et al.,
DeepFactors, 2020).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from optim import image as imaging
from slam.frame import Frame
from slam.points import Sighting

#: So many times as many frames as are wanted are kept to choose from.
_RESERVE = 4


@dataclass(frozen=True)
class PassedFrame:
    """A frame that was tracked and did not become a keyframe."""

    frame: Frame
    #: keyframe that it was tracked against, (4, 4) pose beside it, and the scale of its depth then
    keyframe: int
    T_key_cam: Tensor
    key_scale: float


@dataclass(frozen=True)
class OneWayFrame:
    """A passed frame in the window; comes and goes with its keyframe."""

    passed: PassedFrame
    #: intensity (H, W), full resolution first
    pyramid: tuple[Tensor, ...]
    #: keyframes that are compared with it, by number, and which of their corners it shows
    sightings: dict[int, Sighting | None]

    @property
    def keyframe(self) -> int:
        return self.passed.keyframe

    def at(self, T_key_cam: Tensor, key_scale: float) -> "OneWayFrame":
        """The same at another pose beside its keyframe."""
        return replace(self, passed=replace(self.passed, T_key_cam=T_key_cam,
                                            key_scale=key_scale))


def make_one_way(passed: PassedFrame, levels: int) -> OneWayFrame:
    """Prepare ``levels`` of a frame's intensity pyramid; nothing is compared with it yet."""
    pyramid = imaging.pyramid(imaging.intensity(passed.frame.image), levels)
    return OneWayFrame(passed, tuple(pyramid), {})


@dataclass
class PassedFrames:
    """Frames since the last keyframe, evenly spread however many there are.  Owned by the thread
    that tracks."""

    #: frames that are wanted in the end
    count: int
    _kept: list[PassedFrame] = field(default_factory=list)
    _noted: int = 0
    _every: int = 1

    def note(self, passed: PassedFrame) -> None:
        """One more frame has passed."""
        if self.count and self._noted % self._every == 0:
            self._kept.append(passed)
        self._noted += 1
        if len(self._kept) > _RESERVE * self.count:
            self._kept = self._kept[::2]
            self._every *= 2

    def take(self) -> Sequence[PassedFrame]:
        """At most ``count`` of them, in even steps from the last keyframe to now; and begin
        anew."""
        kept, steps = self._kept, self.count + 1
        chosen = {len(kept) * step // steps for step in range(1, steps)} if kept else set()
        self._kept, self._noted, self._every = [], 0, 1
        return tuple(kept[i] for i in sorted(chosen))
