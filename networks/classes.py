"""Label sets: id, name and colour of each class; those of the data sets that are read."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml

from scenecode.core.errors import DataError
from scenecode.core.text_file import read_text

#: Label of a pixel without ground truth; ignored by losses and metrics.
VOID = 255
#: Names, in lower case, of classes whose members move by themselves.
MOVING_CLASSES = frozenset({"person", "pedestrian", "rider", "bicyclist", "car", "truck", "bus",
                            "train", "motorcycle", "bicycle"})


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

    @property
    def moving(self) -> list[int]:
        """Ids of ``MOVING_CLASSES``."""
        return [i for i, name in enumerate(self.names) if name.lower() in MOVING_CLASSES]

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


#: Of networks that give depth only.
UNLABELLED = ClassSet(names=("unlabelled",), colours=((160, 160, 160),))

#: NYUv2's 13 classes (Couprie et al. 2013), in their published order.
NYU13 = ClassSet(
    names=("bed", "books", "ceiling", "chair", "floor", "furniture", "objects",
           "picture", "sofa", "table", "tv", "wall", "window"),
    colours=((0, 0, 255), (232, 88, 47), (0, 217, 0), (148, 0, 240), (222, 241, 23),
             (255, 205, 205), (0, 223, 228), (106, 135, 204), (116, 28, 41), (240, 35, 235),
             (0, 166, 156), (249, 139, 0), (225, 228, 194)),
)


def _class_set(table: str) -> ClassSet:
    """A set in the order of lines ``name: r g b``."""
    rows = [line.split(":") for line in table.strip().splitlines()]
    return ClassSet(names=tuple(name.strip() for name, _ in rows),
                    colours=tuple(_colour(colour.split()) for _, colour in rows))


#: NYUv2's 40 classes (Gupta et al. 2013), in their published order, from id 0; colours of ScanNet.
NYU_40 = _class_set("""
    wall: 174 199 232
    floor: 152 223 138
    cabinet: 31 119 180
    bed: 255 187 120
    chair: 188 189 34
    sofa: 140 86 75
    table: 255 152 150
    door: 214 39 40
    window: 197 176 213
    bookshelf: 148 103 189
    picture: 196 156 148
    counter: 23 190 207
    blinds: 178 76 76
    desk: 247 182 210
    shelves: 66 188 102
    curtain: 219 219 141
    dresser: 140 57 197
    pillow: 202 185 52
    mirror: 51 176 203
    floor mat: 200 54 131
    clothes: 92 193 61
    ceiling: 78 71 183
    books: 172 114 82
    refrigerator: 255 127 14
    television: 91 163 138
    paper: 153 98 156
    towel: 140 153 101
    shower curtain: 158 218 229
    box: 100 125 154
    whiteboard: 178 127 135
    person: 120 185 128
    night stand: 146 111 194
    toilet: 44 160 44
    sink: 112 128 144
    lamp: 96 207 209
    bathtub: 227 119 194
    bag: 213 92 176
    otherstructure: 94 106 211
    otherfurniture: 82 84 163
    otherprop: 100 85 144""")

#: SUN RGB-D's 37 classes (Song et al. 2015): the first 37 of ``NYU_40``, in the same order.
SUNRGBD_37 = ClassSet(names=NYU_40.names[:37], colours=NYU_40.colours[:37])

#: The 13 classes of Stanford 2D-3D-S (Armeni et al. 2017), with the colours of its buildings.
STANFORD_13 = _class_set("""
    ceiling: 0 255 0
    floor: 0 0 255
    wall: 0 255 255
    beam: 255 255 0
    column: 255 0 255
    window: 100 100 255
    door: 200 200 100
    table: 170 120 200
    chair: 255 0 0
    sofa: 200 100 100
    bookcase: 10 200 100
    board: 200 200 200
    clutter: 60 60 60""")

#: Cityscapes' 19 evaluated classes (Cordts et al. 2016): train ids and colours.
CITYSCAPES_19 = _class_set("""
    road: 128 64 128
    sidewalk: 244 35 232
    building: 70 70 70
    wall: 102 102 156
    fence: 190 153 153
    pole: 153 153 153
    traffic light: 250 170 30
    traffic sign: 220 220 0
    vegetation: 107 142 35
    terrain: 152 251 152
    sky: 70 130 180
    person: 220 20 60
    rider: 255 0 0
    car: 0 0 142
    truck: 0 0 70
    bus: 0 60 100
    train: 0 80 100
    motorcycle: 0 0 230
    bicycle: 119 11 32""")

#: The id in Cityscapes' ``labelIds`` images of each of the 19 classes; all other ids are void.
CITYSCAPES_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)

#: Cityscapes' 7 categories, and the category of each of the 19 classes.
CITYSCAPES_CATEGORIES = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
CITYSCAPES_CATEGORY_OF_CLASS = (0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 6, 6, 6, 6, 6, 6)

#: CamVid's 11 classes (Brostow et al. 2009, as SegNet joins its 32), in SegNet's order.
CAMVID_11 = _class_set("""
    sky: 128 128 128
    building: 128 0 0
    pole: 192 192 128
    road: 128 64 128
    pavement: 60 40 222
    tree: 128 128 0
    sign: 192 128 128
    fence: 64 64 128
    car: 64 0 128
    pedestrian: 64 64 0
    bicyclist: 0 128 192""")

#: The set that a number of classes stands for where the data set itself has another number.
CLASS_SETS = {len(classes): classes
              for classes in (NYU13, NYU_40, CAMVID_11, CITYSCAPES_19, SUNRGBD_37)}
