"""NYU Depth v2 (Silberman et al. 2012): 1,449 indoor images with depth and labels.

Two forms are read.  The *official* one is a folder with ``nyu_depth_v2_labeled.mat``,
``splits.mat`` and ``classMapping40.mat``; the *folder* form has ``rgb/NNNN.jpg``,
``depth8/NNNN.png``, ``labels40/NNNN.png``, ``train.txt`` and ``test.txt``, where NNNN
is the official index, counted from 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from scenecode.core.errors import DataError
from scenecode.core.images import (
    image_tensor,
    read_rgb,
    require_size,
    resample_area,
    resample_nearest,
)
from scenecode.core.text_file import read_text
from scenecode.networks.classes import NYU13, NYU_40, VOID, ClassSet
from scenecode.networks.data.base.stored_images import (
    lookup_table,
    read_bytes_map,
    require_split,
)
from scenecode.networks.data.base.translation import NYU13_OF_NYU40
from scenecode.networks.sample import Sample
from scenecode.optim.geometry.camera import PinholeCamera

#: The colour camera of the whole image.  The official calibration counts pixels from 1 in
#: MATLAB; half a pixel is far below its own error, and it is used as it is published.
FULL_CAMERA = PinholeCamera(fx=518.86, fy=519.47, cx=325.58, cy=253.74, width=640, height=480)
#: (left, top, width, height) of the part that the depth camera sees as well: columns
#: 41..600 and rows 46..470 in MATLAB's counting, 560x425, without the white border.
VALID_BOX = (40, 45, 560, 425)
#: Part of the training images held out for choosing and tuning: 60 of 795.
VAL_PART = 60 / 795
#: Runs of neighbouring images longer than this are never held out, so that the held-out
#: ones come from many scenes.
VAL_LONGEST_RUN = 10
#: Multiples of it, modulo 1, order whole numbers so that every prefix is evenly distributed.
GOLDEN_RATIO = 0.6180339887
SPLITS = ("train", "test", "trainfit", "val")

#: Depth of the folder form: value v is the middle of the step, (v + 0.5) / 25.5 metres.
DEPTH8_STEPS_PER_METRE = 25.5


class NYUv2:
    """One split of NYUv2, cropped to ``VALID_BOX`` and resampled to ``width`` x ``height``.

    ``split`` is ``train`` (795 images), ``test`` (654), or a part of train: ``val`` (60,
    always the same, whole scenes) and ``trainfit`` (the rest).  Labels are ids of ``classes``,
    ``NYU13`` or ``NYU_40``; unlabelled pixels, and the folder form's 255 ("void or otherprop",
    in training images only), are ``VOID``.

    Raises ``ValueError`` for other classes, ``DataError`` when ``root`` holds neither form or a
    file is missing or malformed.
    """

    def __init__(self, root: str | Path, split: str = "train",
                 width: int = 256, height: int = 192, classes: ClassSet = NYU13):
        require_split("NYUv2", split, SPLITS)
        self.classes = classes
        self._form = _open_form(Path(root), _ids_of_nyu40(classes))
        left, top, w, h = VALID_BOX
        self.camera = FULL_CAMERA.cropped(left, top, w, h).resized(width, height)
        #: official indices, counted from 1
        self.numbers = _split_numbers(self._form, split)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Sample:
        number = self.numbers[index]
        raw = self._form.read(number)
        size = (self.camera.width, self.camera.height)
        full = (FULL_CAMERA.width, FULL_CAMERA.height)
        depth = resample_nearest(raw.depth, VALID_BOX, *size, full_size=full)
        labels = resample_nearest(raw.labels, VALID_BOX, *size, full_size=full)
        return Sample(
            image=image_tensor(resample_area(raw.image, VALID_BOX, *size)),
            depth=torch.from_numpy(depth), labels=torch.from_numpy(labels),
            camera=self.camera, name=f"nyuv2/{number:04d}")


def held_out(numbers: list[int]) -> list[int]:
    """The ``val`` part of the training indices.

    Official indices follow the recording, and train and test share no scene, so a gap in
    the training indices is a change of scene: whole runs without a gap are held out, and
    no scene is on both sides.  Runs are taken in a fixed order that spreads over the set.
    """
    breaks = [i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1]
    runs = [numbers[a:b] for a, b in zip([0, *breaks], [*breaks, len(numbers)])]
    wanted = round(len(numbers) * VAL_PART)
    taken: list[int] = []
    for run in sorted(runs, key=lambda run: run[0] * GOLDEN_RATIO % 1):
        if len(run) <= VAL_LONGEST_RUN and len(taken) + len(run) <= wanted:
            taken += run
    return sorted(taken)


def _split_numbers(form: "_Form", split: str) -> list[int]:
    if split in ("train", "test"):
        return form.numbers(split)
    train = form.numbers("train")
    val = held_out(train)
    return val if split == "val" else sorted(set(train) - set(val))


@dataclass(frozen=True)
class _Raw:
    """A whole image: (480, 640, 3) uint8; depth float32 metres and labels uint8 ids."""

    image: np.ndarray
    depth: np.ndarray
    labels: np.ndarray


def _ids_of_nyu40(classes: ClassSet) -> np.ndarray:
    """(256,) uint8 from a value 1..40 to its id."""
    if classes not in (NYU13, NYU_40):
        raise ValueError("NYUv2 is read with its 13 or its 40 classes")
    ids = NYU13_OF_NYU40 if classes == NYU13 else range(40)
    return lookup_table(dict(enumerate(ids, 1)))


class _Form(Protocol):
    def numbers(self, split: str) -> list[int]: ...

    def read(self, number: int) -> _Raw: ...


def _open_form(root: Path, ids: np.ndarray) -> _Form:
    if (root / "nyu_depth_v2_labeled.mat").is_file():
        return _OfficialForm(root, ids)
    if (root / "rgb").is_dir():
        return _FolderForm(root, ids)
    raise DataError(f"{root}: no NYUv2 here; expected nyu_depth_v2_labeled.mat with splits.mat "
                    "and classMapping40.mat, or the folders rgb, depth8 and labels40")


class _FolderForm:
    def __init__(self, root: Path, ids: np.ndarray):
        self._root, self._ids = root, ids

    def numbers(self, split: str) -> list[int]:
        path = self._root / f"{split}.txt"
        if not path.is_file():
            raise DataError(f"{path}: no such file; it lists the image numbers of the split, "
                            "one a line")
        try:
            return sorted(int(line) for line in read_text(path).split())
        except ValueError as error:
            raise DataError(f"{path}: every line must be an image number ({error})") from error

    def read(self, number: int) -> _Raw:
        image_path, depth_path, labels_path = (
            self._root / folder / f"{number:04d}{ending}"
            for folder, ending in (("rgb", ".jpg"), ("depth8", ".png"), ("labels40", ".png")))
        w, h = FULL_CAMERA.width, FULL_CAMERA.height
        steps = require_size(read_bytes_map(depth_path), w // 2, h // 2, depth_path)
        labels = require_size(read_bytes_map(labels_path), w, h, labels_path)
        return _Raw(image=require_size(read_rgb(image_path), w, h, image_path),
                    depth=(steps.astype(np.float32) + 0.5) / DEPTH8_STEPS_PER_METRE,
                    labels=self._ids[labels])


class _OfficialForm:
    """MATLAB writes columns first, so h5py sees images as (N, 3, W, H), maps as (N, W, H)."""

    def __init__(self, root: Path, ids: np.ndarray):
        self._root = root
        self._mat = root / "nyu_depth_v2_labeled.mat"
        to_40 = _mat_variable(root / "classMapping40.mat", "mapClass")
        if to_40.min() < 1 or to_40.max() > 40:
            raise DataError(f"{root / 'classMapping40.mat'}: mapClass must hold classes 1..40")
        self._ids = np.concatenate([[VOID], ids[to_40]]).astype(np.uint8)

    def numbers(self, split: str) -> list[int]:
        return sorted(_mat_variable(self._root / "splits.mat", f"{split}Ndxs").tolist())

    def read(self, number: int) -> _Raw:
        import h5py
        # opened for each image: cheap compared with decoding, and safe in threads and forks
        try:
            with h5py.File(self._mat, "r") as file:
                image, depth, labels = (self._entry(file, key, number)
                                        for key in ("images", "depths", "labels"))
        except OSError as error:
            raise DataError(f"{self._mat}: cannot be read as HDF5 ({error}); "
                            "fetch it again") from error
        if labels.max() >= len(self._ids):
            raise DataError(f"{self._mat}: image {number} has label {labels.max()}, but "
                            f"classMapping40.mat maps {len(self._ids) - 1} classes only")
        return _Raw(image=np.ascontiguousarray(image.transpose(2, 1, 0)),
                    depth=np.nan_to_num(depth.T.astype(np.float32), posinf=0.0, neginf=0.0),
                    labels=self._ids[labels.T])

    def _entry(self, file: Mapping[str, Any], key: str, number: int) -> np.ndarray:
        if key not in file:
            raise DataError(f"{self._mat}: has no variable {key!r}; it must hold images, depths "
                            "and labels, as the official file does")
        data = file[key]
        channels = (3,) if key == "images" else ()
        shape = (*channels, FULL_CAMERA.width, FULL_CAMERA.height)
        if data.shape[1:] != shape:
            raise DataError(f"{self._mat}: {key} is {data.shape}, must be (N, "
                            f"{', '.join(map(str, shape))}) as HDF5")
        if not 1 <= number <= data.shape[0]:
            raise DataError(f"{self._mat}: image {number} is listed in splits.mat, but "
                            f"{key} holds {data.shape[0]}")
        return data[number - 1]


def _mat_variable(path: Path, key: str) -> np.ndarray:
    """One flat int64 variable of a small .mat file."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; it belongs to the official NYUv2 toolbox")
    import scipy.io
    from scipy.io.matlab import MatReadError
    try:
        variables = scipy.io.loadmat(path)
    except (MatReadError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path}: cannot be read as a MATLAB file ({error})") from error
    if key not in variables:
        raise DataError(f"{path}: has no variable {key!r}")
    return variables[key].ravel().astype(np.int64)
