"""One session of a soak: a walk to and fro in one place, with blackouts, other places and cuts."""

import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.base.prefetch import prefetch
from scenecode.slam.sources.base.source import Source
from scenecode.slam.sources.kept_frames import KeptFrames

#: What a frame of a session shows: the place, nothing, or images of another place in random order.
Kind = Literal["walk", "blackout", "unrelated"]

#: Frames between two disturbances, and of a blackout and a stretch of unrelated images, at least
#: and at most.
_WALK, _BLACKOUT, _UNRELATED = (200, 800), (10, 90), (15, 60)


@dataclass(frozen=True)
class Step:
    """One frame of a session."""

    kind: Kind
    #: of the image in the place, of an unrelated one in the other place
    position: int


def plan(place: int, other: int, frames: int, rng: np.random.Generator) -> Iterator[Step]:
    """The steps of ``frames`` frames through a place of ``place`` images, one of another of
    ``other``.

    The camera walks to and fro.  After every stretch it is covered for a while, sees unrelated
    images, or goes on elsewhere at once (a restart), which of them is drawn.
    """
    position, direction, left = 0, 1, frames

    def some(bounds: tuple[int, int]) -> range:
        return range(min(left, int(rng.integers(*bounds, endpoint=True))))

    while left > 0:
        for _ in some(_WALK):
            yield Step("walk", position)
            left -= 1
            if not 0 <= position + direction < place:
                direction = -direction
            position = min(max(position + direction, 0), place - 1)
        disturbance = int(rng.integers(3))
        if disturbance == 0:
            for _ in some(_BLACKOUT):
                yield Step("blackout", position)
                left -= 1
        elif disturbance == 1:
            for _ in some(_UNRELATED):
                yield Step("unrelated", int(rng.integers(other)))
                left -= 1
        else:
            position = int(rng.integers(place))


@dataclass(frozen=True)
class Place:
    """The frames of one source, to be had again in any order."""

    name: str
    #: frames per second
    fps: float
    images: KeptFrames
    #: of the frames
    indices: Sequence[int]

    @staticmethod
    def keep(source: Source, name: str) -> "Place":
        """Read a source to its end, without its truth; the source stays open."""
        images, indices = KeptFrames(), []
        for frame in source:
            images.add(replace(frame, truth=None))
            indices.append(frame.index)
        return Place(name=name, fps=source.fps, images=images, indices=indices)

    def __len__(self) -> int:
        return len(self.indices)

    def frame(self, position: int) -> Frame:
        """The frame at a position from 0."""
        return self.images.frame(self.indices[position])


class SessionSource:
    """The ``Source`` of a plan through a place."""

    is_live = False
    unreadable = 0
    original: PinholeCamera | None = None

    def __init__(self, place: Place, other: Place, frames: int, seed: int):
        self.name, self.fps, self.length = place.name, place.fps, frames
        self._place, self._other, self._seed = place, other, seed
        self._closed = threading.Event()
        #: of every frame so far; written by the decoding thread
        self.kinds: list[Kind] = []

    def __iter__(self) -> Iterator[Frame]:
        return prefetch(self._frames())

    def close(self) -> None:
        """End a running iteration after the frames that are already decoded."""
        self._closed.set()

    def _frames(self) -> Generator[Frame, None, None]:
        rng = np.random.default_rng(self._seed)
        camera = self._place.frame(0).camera
        for index, step in enumerate(plan(len(self._place), len(self._other), self.length, rng)):
            if self._closed.is_set():
                return
            self.kinds.append(step.kind)
            place = self._other if step.kind == "unrelated" else self._place
            frame = place.frame(step.position)
            image = torch.zeros_like(frame.image) if step.kind == "blackout" else frame.image
            yield Frame(index=index, timestamp=index / self.fps, image=image, camera=camera)
