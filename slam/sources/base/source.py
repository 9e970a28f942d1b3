"""What every source of frames offers."""

from collections.abc import Iterator
from typing import Protocol

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame


class Source(Protocol):
    """An iterable of frames, in time order, each undistorted and at network size.

    An image that cannot be read is skipped with a warning and counted in
    ``unreadable``; a source that gives no frame at all raises ``SourceError``.
    """

    #: what was opened, for messages
    name: str
    #: frames per second, as stamped
    fps: float
    #: number of frames, None for a camera
    length: int | None
    #: True for a camera: frames are lost, not queued, when nobody takes them
    is_live: bool
    #: images skipped so far
    unreadable: int
    #: the camera of a recording's images as they were; None for a camera, and for what is made
    original: PinholeCamera | None

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...
