"""Decoded samples kept in memory or in one file, so that later epochs decode nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from scenecode.core.atomic_write import replacing
from scenecode.core.errors import DataError
from scenecode.core.images import image_tensor, image_to_uint8
from scenecode.networks.sample import LabelledImages, Sample

NAME_BYTES = 96


class CachedImages:
    """The samples of ``dataset``, decoded once; all must have one size.

    Without ``path`` they live in memory; with it, in one ``.npy`` file that is made when
    absent, mapped when present, and shared by processes.  A sample takes 6 bytes a pixel:
    8-bit colour, half-precision depth (exact to 1 part in 2,048) and labels.  To augment
    by cropping, open the data set larger than the network's image, e.g. at 320x240.

    Raises ``DataError`` when the file at ``path`` does not hold these samples.
    """

    def __init__(self, dataset: LabelledImages, path: str | Path | None = None,
                 workers: int = 1):
        if len(dataset) == 0:
            raise DataError("an empty data set cannot be cached")
        self.classes = dataset.classes
        first = dataset[0]
        self._camera = first.camera
        record = _record_type(first)
        if path is None:
            self._records = np.empty(len(dataset), record)
            _fill(self._records, dataset, workers)
        else:
            path = Path(path)
            if not path.exists():
                _write(path, record, dataset, workers)
            self._records = _open(path, record, dataset)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Sample:
        record = self._records[index]
        fx, fy, cx, cy = (float(v) for v in record["camera"])
        return Sample(
            image=image_tensor(record["image"]),
            depth=torch.from_numpy(record["depth"].astype(np.float32)),
            labels=torch.from_numpy(record["labels"].copy()),
            camera=replace(self._camera, fx=fx, fy=fy, cx=cx, cy=cy),
            name=record["name"].decode())


def _record_type(sample: Sample) -> np.dtype:
    h, w = sample.camera.height, sample.camera.width
    return np.dtype([("image", "u1", (h, w, 3)), ("depth", "<f2", (h, w)),
                     ("labels", "u1", (h, w)), ("camera", "<f8", (4,)),
                     ("name", f"S{NAME_BYTES}")])


def _fill(records: np.ndarray, dataset: LabelledImages, workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        stored = [pool.submit(_store_from, dataset, records, i) for i in range(len(dataset))]
        for future in stored:
            future.result()


def _store_from(dataset: LabelledImages, records: np.ndarray, index: int) -> None:
    _store(records, index, dataset[index])


def _store(records: np.ndarray, index: int, sample: Sample) -> None:
    if tuple(sample.image.shape[1:]) != records["depth"].shape[1:]:
        raise DataError(f"{sample.name}: is {tuple(sample.image.shape[1:])}, the other samples "
                        f"are {records['depth'].shape[1:]}; a cache holds one size")
    record = records[index]
    record["image"] = image_to_uint8(sample.image)
    record["depth"] = sample.depth.numpy()
    record["labels"] = sample.labels.numpy()
    camera = sample.camera
    record["camera"] = (camera.fx, camera.fy, camera.cx, camera.cy)
    record["name"] = sample.name.encode()[:NAME_BYTES]


def _write(path: Path, record: np.dtype, dataset: LabelledImages, workers: int) -> None:
    """The file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, has_other_writers=True) as temporary:
        records = np.lib.format.open_memmap(temporary, "w+", record, (len(dataset),))
        _fill(records, dataset, workers)
        records.flush()


def _open(path: Path, record: np.dtype, dataset: LabelledImages) -> np.ndarray:
    try:
        records = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: is not a readable cache ({error}); delete it") from error
    same_form = records.dtype == record and records.shape == (len(dataset),)
    if not same_form or not _same_ends(records, dataset):
        raise DataError(f"{path}: was made from other samples, or at another size; "
                        "delete it or name another file")
    return records


def _same_ends(records: np.ndarray, dataset: LabelledImages) -> bool:
    expected = np.empty(1, records.dtype)
    for index in (0, len(dataset) - 1):
        _store(expected, 0, dataset[index])
        if expected.tobytes() != records[index:index + 1].tobytes():
            return False
    return True
