"""The label set: id, name and colour of each class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml

from scenecode.core.errors import DataError
from scenecode.core.text_file import read_text

#: Label of a pixel without ground truth; ignored by losses and metrics.
VOID = 255


@dataclass(frozen=True)
class ClassSet:
    """``names[i]`` and ``colours[i]`` (r, g, b in 0..255) describe class id ``i``."""

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]

    def __post_init__(self):
        if len(self.names) != len(self.colours) or not self.names:
            raise DataError(f"{len(self.names)} class names but {len(self.colours)} colours")
        if len(set(self.names)) != len(self.names):
            raise DataError(f"class names must differ from each other: {self.names}")
        if len(self.names) >= VOID:
            raise DataError(f"at most {VOID - 1} classes fit, got {len(self.names)}")

    def __len__(self) -> int:
        return len(self.names)

    def paint(self, labels) -> np.ndarray:
        """Label map (H, W) of ids, void allowed, to an image (H, W, 3) uint8; void is black."""
        if isinstance(labels, torch.Tensor):
            labels = labels.cpu().numpy()
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(self)] = self.colours
        return palette[labels.astype(np.uint8)]

    def to_json(self) -> list[dict]:
        """The documented exchange form: a list of {id, name, colour}."""
        return [{"id": i, "name": n, "colour": list(c)}
                for i, (n, c) in enumerate(zip(self.names, self.colours))]

    @staticmethod
    def from_json(entries: list[dict]) -> "ClassSet":
        """Inverse of ``to_json``; raises ``DataError`` when an entry lacks something, ids are
        not 0..N-1 or a colour is not three numbers of 0..255."""
        try:
            ordered = sorted(entries, key=lambda e: e["id"])
            names = tuple(e["name"] for e in ordered)
            colours = tuple(_colour(e["colour"]) for e in ordered)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"a class needs id, name and colour [r, g, b]: {error}") from error
        if [e["id"] for e in ordered] != list(range(len(ordered))):
            raise DataError(f"class ids must be 0..{len(ordered) - 1} without gaps")
        if not all(isinstance(name, str) and name for name in names):
            raise DataError(f"class names must be text (in quotes if they look like numbers): "
                            f"{names}")
        return ClassSet(names, colours)


def _colour(values) -> tuple[int, int, int]:
    colour = tuple(int(v) for v in values)
    if len(colour) != 3 or not all(0 <= v <= 255 for v in colour):
        raise ValueError(f"{values} is not three numbers of 0..255")
    return colour


def load_classes(path: str | Path) -> ClassSet:
    """The label set of a YAML file: a list of ``{id: 0, name: wall, colour: [249, 139, 0]}``.

    Raises ``DataError``, with the file's name, when it cannot be read or breaks a rule of
    ``ClassSet``.
    """
    try:
        entries = yaml.safe_load(read_text(path))
    except OSError as error:
        raise DataError(f"{path}: cannot read the label set ({error.strerror}); "
                        "check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise DataError(f"{path}: must be a list with one '- {{id: 0, name: wall, "
                        "colour: [249, 139, 0]}' for each class")
    try:
        return ClassSet.from_json(entries)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


#: NYUv2's 13 classes (Couprie et al. 2013), in their published order.
NYU13 = ClassSet(
    names=("bed", "books", "ceiling", "chair", "floor", "furniture", "objects",
           "picture", "sofa", "table", "tv", "wall", "window"),
    colours=((0, 0, 255), (232, 88, 47), (0, 217, 0), (148, 0, 240), (222, 241, 23),
             (255, 205, 205), (0, 223, 228), (106, 135, 204), (116, 28, 41), (240, 35, 235),
             (0, 166, 156), (249, 139, 0), (225, 228, 194)),
)
