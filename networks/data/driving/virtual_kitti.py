"""Virtual KITTI 2 (Cabon et al. 2020): five drives of KITTI, rendered in ten variations.

``SceneNN/VARIATION/frames/rgb/Camera_N/rgb_NNNNN.jpg``, ``frames/depth/.../depth_NNNNN.png``
(16 bits, centimetres, 65535 for the sky), ``frames/classSegmentation/.../classgt_NNNNN.png``
(colours that ``colors.txt`` names), ``intrinsic.txt`` and ``extrinsic.txt``; the archives may lie
in folders of their own, such as ``vkitti_2.0.3_rgb``.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scenecode.core.errors import DataError
from scenecode.core.images import read_rgb
from scenecode.core.text_file import read_text
from scenecode.networks.classes import CITYSCAPES_19, VOID
from scenecode.networks.data.base.stored_images import (
    ImageFile,
    StoredImages,
    images_below,
    read_words_map,
    require_images,
    require_split,
)
from scenecode.optim.geometry.camera import PinholeCamera

SPLITS = ("train", "val", "test", "all")
#: Scenes of each split: the one that is held out resembles no other.
SCENES = {"train": ("Scene01", "Scene02", "Scene06", "Scene18"), "val": ("Scene20",),
          "test": ("Scene20",)}
UNITS_PER_METRE = 100.0
SKY = 65535

#: Class of ``colors.txt``, without the number of a single car -> Cityscapes' class; what is
#: missing here ("Misc") is void.
CLASSES = {"terrain": "terrain", "sky": "sky", "tree": "vegetation", "vegetation": "vegetation",
           "building": "building", "road": "road", "guardrail": "fence",
           "trafficsign": "traffic sign", "trafficlight": "traffic light", "pole": "pole",
           "truck": "truck", "car": "car", "van": "car"}


class VirtualKitti2(StoredImages):
    """The left camera's frames of all variations of the scenes of a split."""

    title = "vkitti2"

    def __init__(self, root: str | Path, split: str, width: int, height: int):
        require_split("Virtual KITTI 2", split, SPLITS)
        drives = [drive for drive in virtual_drives(Path(root))
                  if split == "all" or drive.scene in SCENES[split]]
        files = [file for drive in drives for file in drive.files()]
        require_images(files, Path(root),
                       "SceneNN/VARIATION/frames/rgb/Camera_0/rgb_NNNNN.jpg of this split")
        self._drives = {str(drive.rgb): drive for drive in drives}
        super().__init__(files, CITYSCAPES_19, width, height)

    def camera_of(self, file: ImageFile, width: int, height: int) -> PinholeCamera:
        return self._drive(file).camera(width, height)

    def read_depth(self, file: ImageFile, path: Path, width: int, height: int) -> np.ndarray:
        return read_virtual_depth(path)

    def read_labels(self, file: ImageFile, path: Path) -> np.ndarray:
        return self._drive(file).labels(path)

    def _drive(self, file: ImageFile) -> "VirtualDrive":
        return self._drives[str(file.image.parent)]


def is_virtual_kitti(root: Path) -> bool:
    """True for a folder with scenes, or with folders of the archives."""
    return bool(virtual_drives(root))


def read_virtual_depth(path: Path) -> np.ndarray:
    """(H, W) float32 metres, 0 in the sky."""
    stored = read_words_map(path)
    return np.where(stored == SKY, 0, stored).astype(np.float32) / UNITS_PER_METRE


@dataclass(frozen=True)
class VirtualDrive:
    """One variation of a scene, seen by one camera."""

    root: Path
    scene: str
    variation: str
    #: the folder of its photographs
    rgb: Path

    def files(self) -> list[ImageFile]:
        """All frames in time order."""
        depth = self._folder("depth")
        labels = self._folder("classSegmentation") or self._folder("classsegmentation")
        files = []
        for image in images_below(self.rgb):
            number = image.stem.removeprefix("rgb_")
            files.append(ImageFile(
                name=f"{self.scene}/{self.variation}/{number}", image=image,
                depth=None if depth is None else depth / f"depth_{number}.png",
                labels=None if labels is None else labels / f"classgt_{number}.png"))
        return files

    def camera(self, width: int, height: int) -> PinholeCamera:
        """Of the first line ``frame cameraID fx fy cx cy`` of the camera; it never changes."""
        path = self._text("intrinsic.txt")
        rows = _rows(path, 6)
        row = next((row for row in rows if int(row[1]) == self.camera_id), None)
        if row is None:
            raise DataError(f"{path}: has no line of camera {self.camera_id}; fetch it again")
        fx, fy, cx, cy = row[2:]
        return PinholeCamera(fx=fx, fy=fy, cx=cx, cy=cy, width=width, height=height)

    def poses(self) -> dict[int, np.ndarray]:
        """(4, 4) ``T_world_cam`` by frame; the file has its inverse."""
        return {int(row[0]): np.linalg.inv(np.array(row[2:]).reshape(4, 4))
                for row in _rows(self._text("extrinsic.txt"), 18)
                if int(row[1]) == self.camera_id}

    def labels(self, path: Path) -> np.ndarray:
        """(H, W) uint8 train ids of an image of class colours."""
        rgb = read_rgb(path).astype(np.int32)
        packed = (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]
        ids = np.full(packed.shape, VOID, np.uint8)
        for colour, own in _colours(self._text("colors.txt")).items():
            ids[packed == colour] = own
        return ids

    @property
    def camera_id(self) -> int:
        return int(self.rgb.name.removeprefix("Camera_"))

    def _folder(self, kind: str) -> Path | None:
        return self._find(Path("frames") / kind / self.rgb.name)

    def _text(self, name: str) -> Path:
        path = self._find(Path(name))
        if path is None:
            raise DataError(f"{self.root}: has no {self.scene}/{self.variation}/{name}; unpack "
                            "the archive 'textgt' of the data set there")
        return path

    def _find(self, inside: Path) -> Path | None:
        """A path of this drive in the root or in one of its folders of archives."""
        for base in (self.root, *sorted(p for p in self.root.iterdir() if p.is_dir())):
            path = base / self.scene / self.variation / inside
            if path.exists():
                return path
        return None


def virtual_drives(root: Path) -> list[VirtualDrive]:
    """All drives of the left camera below a folder, by name."""
    inside = "Scene[0-9][0-9]/*/frames/rgb/Camera_0"
    folders = sorted({*root.glob(inside), *root.glob(f"*/{inside}")})
    return [VirtualDrive(root=root, scene=folder.parents[3].name, variation=folder.parents[2].name,
                         rgb=folder) for folder in folders]


def _rows(path: Path, numbers: int) -> list[list[float]]:
    """The lines of that many numbers, but the heading."""
    try:
        rows = [[float(word) for word in line.split()]
                for line in read_text(path).splitlines()[1:] if line.strip()]
    except ValueError as error:
        raise DataError(f"{path}: {error}; fetch it again") from error
    if any(len(row) != numbers for row in rows):
        raise DataError(f"{path}: every line must hold {numbers} numbers; fetch it again")
    return rows


def _colours(path: Path) -> dict[int, int]:
    """Train id by packed colour, of lines ``NAME[:NUMBER] r g b``."""
    found = {}
    for line in read_text(path).splitlines()[1:]:
        words = line.split()
        own = CLASSES.get(words[0].split(":")[0].lower()) if len(words) == 4 else None
        if own is not None:
            r, g, b = (int(word) for word in words[1:])
            found[(r << 16) | (g << 8) | b] = CITYSCAPES_19.names.index(own)
    return found
