"""What every source of frames offers."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame
from scenecode.slam.sources.base.options import SourceOptions


class Source(Protocol):
    """An iterable of frames, in time order, each undistorted and at network size.

    An image that cannot be read is skipped with a warning and counted in
    ``unreadable``; a source that gives no frame at all raises ``SourceError``.
    """

    @property
    def name(self) -> str:
        """What was opened, for messages."""
        ...

    @property
    def fps(self) -> float:
        """Frames per second, as stamped."""
        ...

    @property
    def length(self) -> int | None:
        """Number of frames, None for a camera."""
        ...

    @property
    def is_live(self) -> bool:
        """True for a camera: frames are lost, not queued, when nobody takes them."""
        ...

    @property
    def unreadable(self) -> int:
        """Images skipped so far."""
        ...

    @property
    def original(self) -> PinholeCamera | None:
        """The camera of the images as they were taken; None for rendered images."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Release what is open; a running iteration ends soon."""
        ...


class ContinuedSource:
    """A source of which every iteration goes on where the one before ended."""

    def __init__(self, source: Source):
        self._source = source
        self._frames: Iterator[Frame] | None = None

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def fps(self) -> float:
        return self._source.fps

    @property
    def length(self) -> int | None:
        return self._source.length

    @property
    def is_live(self) -> bool:
        return self._source.is_live

    @property
    def unreadable(self) -> int:
        return self._source.unreadable

    @property
    def original(self) -> PinholeCamera | None:
        return self._source.original

    def __iter__(self) -> Iterator[Frame]:
        if self._frames is None:
            self._frames = iter(self._source)
        return self._frames

    def again(self) -> Iterator[Frame]:
        """All frames of the source, from the first one."""
        return iter(self._source)

    def close(self) -> None:
        self._source.close()


@runtime_checkable
class IndexedSource(Source, Protocol):
    """A source whose frames can be had again one by one, in any order."""

    def frame(self, index: int) -> Frame:
        """The frame of an index that the iteration gave out; raises ``DataError`` when its image
        cannot be read any more."""
        ...


@runtime_checkable
class Recording(Source, Protocol):
    """A source of stored images, which can be read again in another way."""

    @property
    def original(self) -> PinholeCamera: ...

    @property
    def camera_is_stated(self) -> bool:
        """True where the recording itself states its camera, and the user did not."""
        ...

    def reopened(self, options: SourceOptions, original: PinholeCamera) -> "Recording":
        """The same images by other stride, number and size, for a camera that is known better."""
        ...
