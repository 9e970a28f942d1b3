"""``scenecode data check DIR``: what is in the folder of a data set, and what is missing."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from rich.table import Table

from scenecode.core.console import make_console
from scenecode.core.errors import DataError
from scenecode.networks.classes import VOID
from scenecode.networks.data.base.stored_images import ImageFile
from scenecode.networks.data.datasets import (
    FORMATS,
    DataFormat,
    DatasetName,
    Part,
    data_path,
)
from scenecode.networks.sample import LabelledImages

#: Size at which images are read to look at their depth and labels.
WIDTH, HEIGHT = 160, 120
#: Images that are read of each split, evenly spread.
READ_IMAGES = 20
#: Missing files that are named for each split.
NAMED_FILES = 3
#: Percent of the known depths that lie below the two ends of the printed range.
DEPTH_PERCENTILES = (1, 99)


@dataclass(frozen=True)
class FoundPart:
    """A part of a data set, and whether it is there."""

    gives: str
    there: bool
    required: bool
    expected: str


@dataclass(frozen=True)
class FoundSplit:
    """What a split has."""

    images: int
    with_depth: int
    with_labels: int
    #: files that the split names but that are not there
    missing_files: int
    first_missing: tuple[str, ...]
    #: what is wrong with images that were read
    errors: tuple[str, ...]
    #: part of the labelled pixels by class, of the images that were read
    class_shares: dict[str, float]
    #: part of their pixels with a label, and with depth
    labelled: float
    measured: float
    #: the 1st and the 99th percentile in metres of their depth; None without any
    depth_range: tuple[float, float] | None


@dataclass(frozen=True)
class DataReport:
    """What is in a folder; ``complete`` when nothing that is required is missing."""

    data: str
    title: str
    root: str
    parts: tuple[FoundPart, ...]
    splits: dict[str, FoundSplit]
    #: why splits cannot be opened
    absent_splits: dict[str, str]

    @property
    def complete(self) -> bool:
        return bool(self.splits) and all(part.there or not part.required for part in self.parts) \
            and not any(split.missing_files or split.errors for split in self.splits.values())


def recognised_format(root: Path) -> DataFormat:
    """The first of ``FORMATS`` whose layout a folder has; raises ``DataError`` for none."""
    for form in FORMATS:
        if form.recognises(root):
            return form
    raise DataError(f"{root}: has the layout of no data set that is read; give --data NAME to "
                    "see what is missing of one")


def check_data(root: str | Path, name: str | None = None) -> DataReport:
    """Look at a folder as the data set of that name, by default the one whose layout it has.

    Raises ``DataError`` where there is no such folder, and for a layout that is not recognised.
    """
    path = data_path(str(root))
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; check the path")
    form = recognised_format(path) if name is None else \
        next(form for form in FORMATS if form.name == name)
    splits, absent = {}, {}
    for split in form.splits:
        try:
            dataset = form.open(path, split, WIDTH, HEIGHT, None)
        except DataError as error:
            absent[split] = str(error)
        else:
            splits[split] = _look_at(dataset)
    return DataReport(data=form.name, title=form.title, root=str(path),
                      parts=tuple(_found(part, path) for part in form.parts), splits=splits,
                      absent_splits=absent)


def _found(part: Part, root: Path) -> FoundPart:
    there = any(next(root.glob(pattern), None) is not None if "*" in pattern or "?" in pattern
                else (root / pattern).exists() for pattern in part.patterns)
    return FoundPart(gives=part.gives, there=there, required=part.required,
                     expected=" or ".join(part.patterns))


def _look_at(dataset: LabelledImages) -> FoundSplit:
    files: Sequence[ImageFile] = getattr(dataset, "files", ())
    missing = [path for file in files for path in (file.image, file.depth, file.labels)
               if path is not None and not path.is_file()]
    counts = torch.zeros(len(dataset.classes), dtype=torch.float64)
    depths, errors = [], []
    pixels = labelled = 0
    for index in range(0, len(dataset), max(1, -(-len(dataset) // READ_IMAGES))):
        try:
            sample = dataset[index]
        except DataError as error:
            # those that are not there are counted above
            if not missing:
                errors.append(str(error))
            continue
        known = sample.labels[sample.labels != VOID].long()
        counts += torch.bincount(known, minlength=len(counts))
        depths.append(sample.depth[sample.depth > 0])
        pixels, labelled = pixels + sample.labels.numel(), labelled + known.numel()
    depth = torch.cat(depths) if depths else torch.empty(0)
    ends = np.percentile(depth.numpy(), DEPTH_PERCENTILES) if depth.numel() else None
    shares = (counts / counts.sum().clamp(min=1)).tolist()
    return FoundSplit(
        images=len(dataset),
        with_depth=sum(file.depth is not None for file in files) if files else len(dataset),
        with_labels=sum(file.labels is not None for file in files) if files else len(dataset),
        missing_files=len(missing),
        first_missing=tuple(str(path) for path in missing[:NAMED_FILES]), errors=tuple(errors),
        class_shares={name: share for name, share in zip(dataset.classes.names, shares)
                      if share > 0},
        labelled=labelled / max(pixels, 1), measured=depth.numel() / max(pixels, 1),
        depth_range=None if ends is None else (float(ends[0]), float(ends[1])))


EXAMPLES = """examples:
  scenecode data check ~/data/cityscapes
  scenecode data check ~/data/kitti --data kitti --json

The exit status is 1 when something that is required is missing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``data check``."""
    names = [form.name for form in FORMATS]
    parser.add_argument("folder", metavar="DIR", help="absolute or below $SCENECODE_DATA")
    parser.add_argument("--data", choices=[name for name in get_args(DatasetName)
                                           if name in names],
                        help="the data set that it should be (default: by its layout)")
    parser.add_argument("--json", action="store_true", help="print JSON only")


def main(args: argparse.Namespace) -> int:
    """``data check``: print what is there; 1 when something required is missing."""
    report = check_data(args.folder, args.data)
    if args.json:
        print(json.dumps(asdict(report) | {"complete": report.complete}))
    else:
        _print(report)
    return 0 if report.complete else 1


def _print(report: DataReport) -> None:
    console = make_console()
    console.print(f"{report.root}: {report.title}", highlight=False)
    parts = Table("part", "", "file or folder")
    for part in report.parts:
        state = "there" if part.there else "MISSING" if part.required else "not there"
        parts.add_row(part.gives, state, part.expected)
    console.print(parts)
    splits = Table("split", "images", "with depth", "with labels", "missing files",
                   "depth, 1 % to 99 %", "pixels with depth", "with a label")
    for name, split in report.splits.items():
        low_high = "-" if split.depth_range is None else \
            "{:.2f} to {:.2f} m".format(*split.depth_range)
        splits.add_row(name, str(split.images), str(split.with_depth), str(split.with_labels),
                       str(split.missing_files), low_high, f"{split.measured:.3f}",
                       f"{split.labelled:.3f}")
    if report.splits:
        console.print(splits)
        shown = Table("class, share of the labelled pixels", *report.splits)
        names = dict.fromkeys(name for split in report.splits.values()
                              for name in split.class_shares)
        for name in names:
            shown.add_row(name, *(f"{split.class_shares.get(name, 0):.4f}"
                                  for split in report.splits.values()))
        if names:
            console.print(shown)
    for name, reason in report.absent_splits.items():
        console.print(f"split {name}: not there: {reason}", markup=False, highlight=False)
    for name, split in report.splits.items():
        for text in (*(f"{path}: no such file" for path in split.first_missing), *split.errors):
            console.print(f"split {name}: {text}", markup=False, highlight=False)
    console.print("complete" if report.complete else "something that is required is missing")
