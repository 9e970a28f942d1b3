"""Stanford 2D-3D-S (Armeni et al. 2017): 70,000 images of six floors, with poses.

``area_N/data/rgb/camera_UUID_ROOM_K_frame_J_domain_rgb.png`` and beside it ``depth`` (16 bits,
1/512 m, 65535 unknown), ``semantic`` (24-bit index into ``assets/semantic_labels.json``, whose
entries are ``CLASS_INSTANCE_ROOM...``; 0x0D0D0D unknown) and ``pose`` (JSON).
"""

import json
import re
from pathlib import Path

import numpy as np

from scenecode.core.errors import DataError
from scenecode.core.images import read_rgb
from scenecode.core.text_file import read_text
from scenecode.networks.classes import STANFORD_13, VOID
from scenecode.networks.data.base.stored_images import (
    ImageFile,
    StoredImages,
    images_below,
    read_words_map,
    require_images,
    scaled_to,
)
from scenecode.optim.geometry.camera import PinholeCamera

#: Areas of the usual division (the first fold): the fifth is held out.
AREAS = {"train": ("area_1", "area_2", "area_3", "area_4", "area_6"),
         "val": ("area_5a", "area_5b"), "test": ("area_5a", "area_5b")}
SPLITS = tuple(AREAS)
UNITS_PER_METRE = 512.0
UNKNOWN_DEPTH = 65535
#: Side of the square images of which the pose files state the camera.
SIZE = 1080
#: Metres by which the stated place of a camera may differ from that of its matrix.
PLACE_TOLERANCE = 0.05

_RGB = "_domain_rgb.png"
_NAME = re.compile(r"camera_(?P<place>[^_]+)_(?P<room>.+)_frame_(?P<frame>[^_]+)$")


class Stanford(StoredImages):
    """The images of the areas of a split, or of the area that ``split`` names (``area_3``)."""

    title = "stanford"

    def __init__(self, root: str | Path, split: str, width: int, height: int):
        self._root = Path(root)
        files = [file for area in AREAS.get(split, (split,))
                 for file in stanford_files(self._root, area)]
        require_images(files, self._root, f"area_N/data/rgb/*{_RGB} of {split} (train, val, test "
                       "or an area)")
        self._ids: np.ndarray | None = None
        super().__init__(files, STANFORD_13, width, height)

    def camera_of(self, file: ImageFile, width: int, height: int) -> PinholeCamera:
        return scaled_to(read_stanford_pose(file.image)[0], width, height, file.image)

    def read_depth(self, file: ImageFile, path: Path, width: int, height: int) -> np.ndarray:
        return read_stanford_depth(path)

    def read_labels(self, file: ImageFile, path: Path) -> np.ndarray:
        if self._ids is None:
            self._ids = ids_of_instances(find_instances(self._root))
        return read_stanford_labels(path, self._ids)


def is_stanford(root: Path) -> bool:
    """True for a folder of areas."""
    return any(root.glob("area_*/data/rgb"))


def stanford_files(root: Path, area: str) -> list[ImageFile]:
    """The images of an area, by name."""
    data = root / area / "data"
    labelled, measured = (data / "semantic").is_dir(), (data / "depth").is_dir()
    return [ImageFile(name=f"{area}/{image.name.removesuffix(_RGB)}", image=image,
                      depth=beside(image, "depth") if measured else None,
                      labels=beside(image, "semantic") if labelled else None)
            for image in images_below(data / "rgb", f"*{_RGB}")]


def room_of(image: Path) -> str:
    """The room that an image shows, as its name has it (``office_3``)."""
    match = _NAME.match(image.name.removesuffix(_RGB))
    return "" if match is None else match["room"]


def beside(image: Path, kind: str, ending: str = ".png") -> Path:
    """The file of another kind that belongs to an image."""
    return image.parent.parent / kind / f"{image.name.removesuffix('rgb.png')}{kind}{ending}"


def read_stanford_depth(path: Path) -> np.ndarray:
    """(H, W) float32 metres along the optical axis, 0 where unknown."""
    stored = read_words_map(path)
    return np.where(stored == UNKNOWN_DEPTH, 0, stored).astype(np.float32) / UNITS_PER_METRE


def read_stanford_labels(path: Path, ids: np.ndarray) -> np.ndarray:
    """(H, W) uint8 ids of an image of instances; ``ids`` (N,) is ``ids_of_instances``."""
    rgb = read_rgb(path).astype(np.intp)
    index = (rgb[..., 0] << 16) | (rgb[..., 1] << 8) | rgb[..., 2]
    return np.where(index < len(ids), ids[np.minimum(index, len(ids) - 1)], VOID).astype(np.uint8)


def read_stanford_pose(image: Path) -> tuple[PinholeCamera, np.ndarray]:
    """Camera and (4, 4) ``T_world_cam`` of an image, of its pose file; the world's z is up.

    ``camera_rt_matrix`` leads from the area's frame to the camera's, which ``camera_location``
    must confirm.  Raises ``DataError`` for a file that is missing or says something else.
    """
    path = beside(image, "pose", ".json")
    try:
        found = json.loads(read_text(path))
        K = np.array(found["camera_k_matrix"], np.float64).reshape(3, 3)
        T_cam_world = np.eye(4)
        T_cam_world[:3] = np.array(found["camera_rt_matrix"], np.float64)[:3]
        T_world_cam = np.linalg.inv(T_cam_world)
        place = np.array(found["camera_location"], np.float64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: must hold camera_k_matrix, camera_rt_matrix and "
                        f"camera_location ({error}); fetch it again") from error
    if np.abs(T_world_cam[:3, 3] - place).max() > PLACE_TOLERANCE:
        raise DataError(f"{path}: camera_rt_matrix and camera_location disagree; fetch it again")
    camera = PinholeCamera(fx=float(K[0, 0]), fy=float(K[1, 1]), cx=float(K[0, 2]),
                           cy=float(K[1, 2]), width=SIZE, height=SIZE)
    return camera, T_world_cam


def find_instances(folder: Path) -> Path:
    """``semantic_labels.json`` in ``assets`` of a folder or of one above it."""
    for base in (folder, *folder.resolve().parents):
        for path in (base / "assets" / "semantic_labels.json", base / "semantic_labels.json"):
            if path.is_file():
                return path
    raise DataError(f"{folder}: has no assets/semantic_labels.json, which names the labels; fetch "
                    "it from the data set's repository")


def ids_of_instances(path: Path) -> np.ndarray:
    """(N,) uint8 ids of ``STANFORD_13`` of the names in a ``semantic_labels.json``."""
    try:
        names = json.loads(read_text(path))
        kinds = [str(name).split("_")[0] for name in names]
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: must be a JSON list of names ({error}); fetch it again"
                        ) from error
    known = {name: i for i, name in enumerate(STANFORD_13.names)}
    return np.array([known.get(kind, VOID) for kind in kinds], np.uint8)
