"""Image files in time order: the source behind plain folders and recorded data sets."""

import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from scenecode.core.errors import DataError, SourceError
from scenecode.core.images import read_map, read_rgb
from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.records.frame import Frame
from scenecode.slam.records.true_depth import seen_by
from scenecode.slam.sources.base.options import DEFAULT_FPS, SourceOptions, choose_camera
from scenecode.slam.sources.base.prefetch import prefetch
from scenecode.slam.sources.base.rectifier import RawTruth, Rectifier

#: File name endings of images.
IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})

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
    #: (4, 4) float64
    T_world_cam: np.ndarray | None = None


class ImageSequence:
    """A ``Source`` of image files; stride and ``max_frames`` are applied to ``items`` here.

    ``read_truth`` is called in the decoding thread with the item and the original camera; it may
    raise ``DataError``, and the frame then goes without.  An image that cannot be read, or that has another size than the first,
    is skipped.  Raises ``SourceError`` when there is no readable image.
    """

    is_live = False

    def __init__(self, name: str, items: Sequence[ImageItem], fps: float, options: SourceOptions,
                 known: PinholeCamera | None = None,
                 read_truth: Callable[[ImageItem, PinholeCamera], RawTruth] | None = None):
        self.name = name
        self.fps = fps
        self.unreadable = 0     # written by the decoding thread
        self._closed = threading.Event()
        self._items = list(items)[::options.stride][:options.max_frames]
        self._read_truth = read_truth
        self.length = len(self._items)
        height, width = _first_image(name, self._items).shape[:2]
        camera = choose_camera(options, width, height, name, known)
        self._rectifier = Rectifier.for_camera(camera, options.width, options.height)

    @property
    def original(self) -> PinholeCamera:
        return self._rectifier.original

    def __iter__(self) -> Iterator[Frame]:
        return prefetch(self._frames())

    def close(self) -> None:
        """End a running iteration after the frames that are already decoded."""
        self._closed.set()

    def _frames(self) -> Iterator[Frame]:
        self.unreadable = 0
        for item in self._items:
            if self._closed.is_set():
                return
            rgb = self._read(item)
            if rgb is None:
                self.unreadable += 1
                continue
            yield self._rectifier.frame(item.index, item.timestamp, rgb, self._truth(item))

    def _read(self, item: ImageItem) -> np.ndarray | None:
        try:
            rgb = read_rgb(item.image)
        except DataError as error:
            _log.warning("skipping an image: %s", error)
            return None
        if not self._rectifier.fits(rgb):
            original = self._rectifier.original
            _log.warning("skipping an image: %s is %dx%d, the sequence is %dx%d", item.image,
                         rgb.shape[1], rgb.shape[0], original.width, original.height)
            return None
        return rgb

    def _truth(self, item: ImageItem) -> RawTruth | None:
        if self._read_truth is None:
            return None
        try:
            return self._read_truth(item, self._rectifier.original)
        except DataError as error:
            _log.warning("no ground truth for frame %d: %s", item.index, error)
            return RawTruth(T_world_cam=item.T_world_cam)


def open_folder(folder: Path, options: SourceOptions) -> ImageSequence:
    """All images of a folder in natural order (2 before 10), ``options.fps`` or 30 per second."""
    fps = options.fps or DEFAULT_FPS
    items = [ImageItem(i, i / fps, path) for i, path in enumerate(image_files(folder))]
    return ImageSequence(str(folder), items, fps, options)


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder, hidden ones left out, in natural order."""
    found = [p for p in folder.iterdir()
             if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".") and p.is_file()]
    return sorted(found, key=natural_key)


def natural_key(path: Path) -> list[tuple[int, int | str]]:
    """Sorts digits as numbers."""
    return [(0, int(part)) if part.isdecimal() else (1, part.lower())
            for part in re.split(r"(\d+)", path.name) if part]


def pose_and_depth(units_per_metre: float, none_values: tuple[int, ...] = (0,),
                   depth_camera: PinholeCamera | None = None
                   ) -> Callable[[ImageItem, PinholeCamera], RawTruth]:
    """A ``read_truth`` for 16-bit depth images that hold z in ``units_per_metre``;
    ``none_values`` mark pixels without a measurement.  Depth that a ``depth_camera`` beside the
    colour camera saw is brought to the latter's pixels; the distance between the two is not."""
    def read(item: ImageItem, camera: PinholeCamera) -> RawTruth:
        depth = None
        if item.depth is not None:
            raw = read_map(item.depth)
            depth = np.where(np.isin(raw, none_values), 0, raw).astype(np.float32)
            depth /= units_per_metre
            if depth_camera is not None:
                height, width = depth.shape
                depth = seen_by(torch.from_numpy(depth), depth_camera.resized(width, height),
                                se3.identity(), camera).numpy()
        return RawTruth(T_world_cam=item.T_world_cam, depth=depth)
    return read


def _first_image(name: str, items: list[ImageItem]) -> np.ndarray:
    if not items:
        raise SourceError(f"{name}: no images; give a folder with "
                          f"{', '.join(sorted(IMAGE_SUFFIXES))} files")
    for item in items:
        try:
            return read_rgb(item.image)
        except DataError as error:
            first = error
    raise SourceError(f"{name}: none of its {len(items)} images can be read ({first}); "
                      "check that the files are complete")
