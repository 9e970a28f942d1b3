"""Image files in time order: the source behind plain folders and recorded data sets."""

import logging
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scenecode.core.errors import DataError
from scenecode.networks.classes import NYU13
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.trajectory import Trajectory
from scenecode.slam.sources.base.image_files import image_files
from scenecode.slam.sources.base.label_images import read_labels13
from scenecode.slam.sources.base.limited_warnings import LimitedWarnings
from scenecode.slam.sources.base.options import DEFAULT_FPS, SourceOptions, choose_camera
from scenecode.slam.sources.base.prefetch import prefetch
from scenecode.slam.sources.base.rectifier import RawTruth, Rectifier
from scenecode.slam.sources.base.stored_images import inspect_images

#: Skipped images that are named one by one.
_NAMED_SKIPS = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageItem:
    """One image of a sequence and where the truth about it is."""

    #: position in the source, from 0
    index: int
    #: seconds
    timestamp: float
    image: Path
    depth: Path | None = None
    #: image of ids of NYUv2's 13 classes, see ``scenecode.slam.sources.base.label_images``
    labels: Path | None = None
    #: (4, 4) float64
    T_world_cam: np.ndarray | None = None


#: Gives the truth about an item, for images of the original camera; called in the decoding
#: thread.  It may raise ``DataError``, and the frame then has its pose only.
TruthReader = Callable[[ImageItem, PinholeCamera], RawTruth]
#: The camera that a data set states, for images of this width and height.
KnownCamera = Callable[[int, int], PinholeCamera]


class ImageSequence:
    """A ``Source`` of image files; stride and ``max_frames`` are applied to ``items`` here.

    An image that cannot be read, or that has another size than most, is skipped.  Raises
    ``SourceError`` when there is no readable image.
    """

    is_live = False

    def __init__(self, name: str, items: Sequence[ImageItem], fps: float, options: SourceOptions,
                 known: KnownCamera | None = None, read_truth: TruthReader | None = None,
                 known_height: float | None = None):
        self.name = name
        self.fps = fps
        self.unreadable = 0     # written by the decoding thread
        self._closed = threading.Event()
        self._all_items = list(items)
        self._items = _wanted(self._all_items, options)
        self._read_truth = read_truth
        self._images = inspect_images(name, [item.image for item in self._items])
        width, height = self._images.width, self._images.height
        stated = known if options.intrinsics is None and options.calib is None else None
        self.camera_is_stated = stated is not None
        camera = choose_camera(options, width, height, name,
                               None if stated is None else stated(width, height))
        self._rectifier = Rectifier.for_camera(camera, options.width, options.height,
                                               self.camera_is_stated,
                                               options.camera_height or known_height)

    @property
    def length(self) -> int:
        return len(self._items)

    @property
    def original(self) -> PinholeCamera:
        return self._rectifier.original

    def __iter__(self) -> Iterator[Frame]:
        return prefetch(self._frames())

    def frame(self, index: int) -> Frame:
        """The frame of one item, with its pose only where the rest of its truth cannot be read;
        ``DataError`` when its image cannot."""
        item = self._all_items[index]
        return self._rectifier.frame(item.index, item.timestamp, self._images.read(item.image),
                                     self._truth(item))

    def reopened(self, options: SourceOptions, original: PinholeCamera) -> "ImageSequence":
        other = copy(self)
        other.unreadable = 0
        other._closed = threading.Event()
        other._items = _wanted(self._all_items, options)
        other._rectifier = Rectifier.for_camera(original, options.width, options.height,
                                                camera_height=self._rectifier.camera_height)
        return other

    def close(self) -> None:
        """End a running iteration after the frames that are already decoded."""
        self._closed.set()

    def _frames(self) -> Generator[Frame, None, None]:
        self.unreadable = 0
        skipped = LimitedWarnings(_log, _NAMED_SKIPS, f"{self.name}: %d images were skipped")
        without_truth = LimitedWarnings(
            _log, 1, f"{self.name}: %d frames have no true depth or labels")
        try:
            for item in self._items:
                if self._closed.is_set():
                    return
                try:
                    rgb = self._images.read(item.image)
                except DataError as error:
                    self.unreadable += 1
                    skipped.warn("skipping an image: %s", error)
                    continue
                yield self._rectifier.frame(item.index, item.timestamp, rgb,
                                            self._truth(item, without_truth))
        finally:
            skipped.finish()
            without_truth.finish()

    def _truth(self, item: ImageItem, warnings: LimitedWarnings | None = None
               ) -> RawTruth | None:
        truth = RawTruth(T_world_cam=item.T_world_cam)
        try:
            if self._read_truth is not None:
                truth = self._read_truth(item, self._rectifier.original)
            if item.labels is None:
                return truth
            return replace(truth, labels=read_labels13(item.labels), classes=NYU13)
        except DataError as error:
            if warnings is not None:
                warnings.warn("no true depth or labels for frame %d: %s", item.index, error)
            return truth


def _wanted(items: Sequence[ImageItem], options: SourceOptions) -> list[ImageItem]:
    return list(items[::options.stride][:options.max_frames])


def open_folder(folder: Path, options: SourceOptions) -> ImageSequence:
    """All images of a folder in natural order (2 before 10), ``options.fps`` or 30 per second."""
    fps = options.fps or DEFAULT_FPS
    items = [ImageItem(i, i / fps, path) for i, path in enumerate(image_files(folder))]
    return ImageSequence(str(folder), items, fps, options)


def true_trajectory(items: Sequence[ImageItem]) -> Trajectory:
    """The true poses at the moments of the images that have one, so that coverage counts images,
    not the motion capture's much denser samples."""
    posed = [(item.timestamp, item.T_world_cam) for item in items if item.T_world_cam is not None]
    return Trajectory(np.array([t for t, _ in posed], np.float64),
                      np.array([T for _, T in posed], np.float64).reshape(-1, 4, 4))
