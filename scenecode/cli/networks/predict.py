"""``scenecode predict``: depth and labels of images, as files."""

import argparse
import json
import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from scenecode.core.atomic_write import write_bytes, write_text
from scenecode.core.colours import FARTHEST, depth_colours
from scenecode.core.console import make_console
from scenecode.core.device import choose_device
from scenecode.core.errors import ConfigError, DataError, ResultError, SourceError
from scenecode.core.images import image_to_uint8, png_bytes, read_rgb, write_rgb
from scenecode.networks.classes import UNLABELLED, ClassSet
from scenecode.networks.families.geometry import Geometry
from scenecode.networks.inference.checkpoint import describe
from scenecode.networks.inference.combined import Combined, load_front_end, model_files
from scenecode.networks.inference.whole_image import WholePrediction, predict_whole
from scenecode.networks.prediction import Predictor
from scenecode.optim.dense_crf.config import UNTRAINED_FIELD
from scenecode.optim.dense_crf.crf import DenseCRF
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.slam.sources import SourceOptions, open_source
from scenecode.slam.sources.base.image_files import image_files, is_image
from scenecode.slam.sources.base.options import choose_camera
from scenecode.slam.sources.base.source import Recording
from scenecode.slam.sources.calibration.intrinsics import parse_intrinsics

EXAMPLES = """examples:
  scenecode predict photo.jpg --out out                   one image
  scenecode predict photos/ --out out --model NAME        a folder of images
  scenecode predict drive.mp4 --out out --intrinsics 720,720,620,187   and an overlay video
  scenecode predict photo.jpg --out out --model NAME --crf             labels that follow edges
NAME.depth.png has 16 bits, in the unit that camera.json states (1 mm, or 1/256 m for networks of
streets); NAME.labels.png has class ids, which classes.json explains; NAME.overlay.jpg is for
looking.  Without --intrinsics or --calib the focal length is a guess, and depth wrong by as much
as that."""

#: Metres of a unit of depth files, and of those of networks that see farther than they reach.
UNIT, FAR_UNIT = 0.001, 1 / 256
#: Largest value of a depth file.
_LARGEST = 65535
#: How strongly labels are drawn over the image.
_OPACITY = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Picture:
    """One image to predict for."""

    name: str
    #: (H, W, 3) uint8 RGB
    rgb: np.ndarray
    camera: PinholeCamera


class Pictures:
    """The images that a path means: an image, a folder of images, or a recording."""

    def __init__(self, spec: str, options: SourceOptions):
        """Raises ``SourceError`` when there is nothing there."""
        path = Path(spec)
        self._options, self._cameras = options, dict[tuple[int, int], PinholeCamera]()
        self._recording: Recording | None = None
        self._stem = path.stem
        #: frames per second of a video, whose overlays make a video too
        self.fps: float | None = None
        if path.is_file() and is_image(path):
            self._files = [path]
        else:
            self._files = image_files(path) if path.is_dir() else []
        if not self._files:
            self._recording = _at_own_size(spec, options)
            if path.is_file():
                self.fps = self._recording.fps
        self._files = self._files[::options.stride][:options.max_frames]

    def __len__(self) -> int:
        if self._recording is None:
            return len(self._files)
        return self._recording.length or 0

    def __iter__(self) -> Iterator[Picture]:
        """Files that cannot be read are skipped with a warning."""
        if self._recording is not None:
            with closing(self._recording) as frames:
                for frame in frames:
                    yield Picture(name=f"{self._stem}_{frame.index:06d}",
                                  rgb=image_to_uint8(frame.image), camera=frame.camera)
            return
        for path in self._files:
            try:
                rgb = read_rgb(path)
            except DataError as error:
                _log.warning("%s", error)
                continue
            yield Picture(name=path.stem, rgb=rgb, camera=self._camera(rgb))

    def _camera(self, rgb: np.ndarray) -> PinholeCamera:
        """A guess is announced once for each size."""
        size = rgb.shape[1], rgb.shape[0]
        if size not in self._cameras:
            self._cameras[size] = choose_camera(self._options, *size, self._stem)
        return self._cameras[size]


def _at_own_size(spec: str, options: SourceOptions) -> Recording:
    """A recording whose frames are as large as its images."""
    source = open_source(spec, options)
    if not isinstance(source, Recording):
        source.close()
        raise SourceError(f"{spec}: give an image, a folder of images or a video")
    with closing(source):
        original = source.original
        own = replace(options, width=original.width, height=original.height)
        return source.reopened(own, original)


class Writer:
    """The files of a command, in one folder."""

    def __init__(self, folder: Path, predictor: Predictor, geometry: Geometry):
        """Raises ``ResultError`` when the folder cannot be made."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultError(f"{folder}: cannot be made a folder ({error.strerror}); give "
                              "another --out DIR") from error
        self._folder, self._classes = folder, predictor.classes
        self._geometry = geometry
        self._unit: float | None = None
        self._cameras: dict[str, dict[str, float]] = {}
        self._video: cv2.VideoWriter | None = None

    def write(self, picture: Picture, found: WholePrediction) -> np.ndarray:
        """The files of one image; returns its overlay (H, W, 3) uint8."""
        camera, path = picture.camera, self._folder / picture.name
        if self._unit is None:
            farthest = self._geometry.depth_range[1] * camera.focal * self._geometry.width \
                / (self._geometry.canonical_focal * camera.width)
            self._unit = UNIT if farthest <= UNIT * _LARGEST else FAR_UNIT
        self._cameras[picture.name] = {
            "fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy,
            "width": camera.width, "height": camera.height}
        if found.depth is not None:
            values = np.clip(np.rint(found.depth / self._unit), 1, _LARGEST).astype(np.uint16)
            write_bytes(_named(path, ".depth.png"), png_bytes(values))
        if found.labels is not None:
            write_bytes(_named(path, ".labels.png"), png_bytes(found.labels))
        picture_over = overlay(picture.rgb, found, self._classes, self._geometry)
        write_rgb(_named(path, ".overlay.jpg"), picture_over)
        return picture_over

    def add_to_video(self, name: str, fps: float, picture: np.ndarray) -> None:
        """One more frame of the overlay video; its size is that of the first, made even."""
        if self._video is None:
            path, (h, w) = _named(self._folder / name, ".overlay.mp4"), picture.shape[:2]
            self._size = w - w % 2, h - h % 2
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._video = cv2.VideoWriter(str(path), code, fps, self._size)
            if not self._video.isOpened():
                raise ResultError(f"{path}: the overlay video cannot be written; check the "
                                  "folder's permissions and space")
        w, h = self._size
        self._video.write(cv2.cvtColor(picture[:h, :w], cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Write what is about all images."""
        if self._video is not None:
            self._video.release()
        write_text(self._folder / "camera.json", json.dumps(
            {"depth_unit_m": self._unit or UNIT, "images": self._cameras}, indent=1) + "\n")
        write_text(self._folder / "classes.json",
                   json.dumps(self._classes.to_json(), indent=1) + "\n")


def overlay(rgb: np.ndarray, found: WholePrediction, classes: ClassSet,
            geometry: Geometry) -> np.ndarray:
    """The image (H, W, 3) uint8 with the colours of its classes, or of depth where there are
    none."""
    if found.labels is not None:
        colours = classes.paint(found.labels)
    elif found.depth is not None:
        colours = depth_colours(found.depth * FARTHEST / geometry.depth_range[1])
    else:
        return rgb
    return cv2.addWeighted(rgb, 1 - _OPACITY, colours, _OPACITY, 0)


def _named(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _field(predictor: Predictor) -> DenseCRF:
    """The field that was trained with the network of the labels, else ``UNTRAINED_FIELD``."""
    if predictor.classes == UNLABELLED:
        raise ConfigError("--crf refines labels, and this network gives none; leave it out")
    network = predictor.labels if isinstance(predictor, Combined) else predictor
    own: DenseCRF | None = getattr(network, "crf", None)
    return DenseCRF(len(predictor.classes), UNTRAINED_FIELD).eval() if own is None else own


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``predict``."""
    parser.add_argument("path", metavar="IMAGE|FOLDER|VIDEO", help="what to predict for")
    parser.add_argument("--out", metavar="DIR", required=True, help="where the files go")
    parser.add_argument("--model", metavar="NAME", help="a shipped name ('scenecode models'), a "
                        "checkpoint, or two as DEPTH+LABELS (default: the shipped model)")
    parser.add_argument("--crf", action="store_true", help="refine labels by a dense conditional "
                        "random field, the network's own where it was trained with one")
    parser.add_argument("--intrinsics", metavar="fx,fy,cx,cy", help="of the images, in pixels")
    parser.add_argument("--calib", metavar="FILE", help="calibration file")
    parser.add_argument("--stride", type=int, default=1, metavar="N", help="take every N-th image")
    parser.add_argument("--max-frames", type=int, metavar="N", help="stop after N images")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")


def main(args: argparse.Namespace) -> int:
    """``predict``: write the files of every image."""
    if args.stride < 1 or (args.max_frames is not None and args.max_frames < 1):
        raise ConfigError("--stride and --max-frames must be at least 1")
    intrinsics = None if args.intrinsics is None else parse_intrinsics(args.intrinsics)
    pictures = Pictures(args.path, SourceOptions(
        intrinsics=intrinsics, calib=args.calib, stride=args.stride, max_frames=args.max_frames))
    files = model_files(args.model)
    predictor = load_front_end(args.model, choose_device(args.device), for_mapping=False)
    crf = _field(predictor) if args.crf else None
    writer = Writer(Path(args.out), predictor, describe(files[0]).config.geometry)
    count = 0
    with closing(writer):
        for picture in track(pictures, description="predicting", total=len(pictures) or None,
                             console=make_console(stderr=True), transient=True):
            found = predict_whole(predictor, picture.rgb, picture.camera, crf)
            shown = writer.write(picture, found)
            if pictures.fps is not None:
                writer.add_to_video(Path(args.path).stem, pictures.fps, shown)
            count += 1
        if not count:
            raise SourceError(f"{args.path}: none of its images can be read")
    print(f"{count} {'image' if count == 1 else 'images'} in {args.out}")
    return 0
