"""Which class of one label set is which of another one.

``TABLES`` states what their names do not; a class of the same name is the same, and all others are
void.
"""

from collections.abc import Mapping

from scenecode.networks.classes import (
    CAMVID_11,
    CITYSCAPES_19,
    NYU13,
    NYU_40,
    STANFORD_13,
    SUNRGBD_37,
    ClassSet,
)

#: NYU's 40 classes, in their order, as the 13 (Couprie et al. 2013).
NYU13_OF_NYU40 = tuple(NYU13.names.index(name) for name in (
    "wall", "floor", "furniture", "bed", "chair", "sofa", "table", "wall", "window", "furniture",
    "picture", "furniture", "window", "table", "furniture", "window", "furniture", "objects",
    "objects", "floor", "objects", "ceiling", "books", "furniture", "tv", "objects", "objects",
    "objects", "objects", "objects", "objects", "furniture", "objects", "objects", "objects",
    "objects", "objects", "objects", "furniture", "objects"))

_40_TO_13 = {name: NYU13.names[i] for name, i in zip(NYU_40.names, NYU13_OF_NYU40)}
_40_TO_STANFORD = {"bookshelf": "bookcase", "whiteboard": "board", "desk": "table",
                   "shelves": "bookcase", "box": "clutter", "paper": "clutter", "bag": "clutter",
                   "books": "clutter", "otherprop": "clutter"}

#: (from, to, name -> name; ``None`` for void).  CamVid's "building" includes walls, its "tree"
#: grass, its "sign" traffic lights, its "car" all larger vehicles, and its "bicyclist" whoever
#: rides and what they ride, which Cityscapes divides.
TABLES: tuple[tuple[ClassSet, ClassSet, Mapping[str, str | None]], ...] = (
    (CITYSCAPES_19, CAMVID_11, {
        "sidewalk": "pavement", "wall": "building", "traffic light": "sign",
        "traffic sign": "sign", "vegetation": "tree", "terrain": "tree", "person": "pedestrian",
        "rider": "bicyclist", "truck": "car", "bus": "car", "train": "car",
        "motorcycle": "bicyclist", "bicycle": "bicyclist"}),
    (CAMVID_11, CITYSCAPES_19, {
        "pavement": "sidewalk", "tree": "vegetation", "sign": "traffic sign",
        "pedestrian": "person"}),
    (NYU_40, NYU13, _40_TO_13),
    (SUNRGBD_37, NYU13, {name: _40_TO_13[name] for name in SUNRGBD_37.names}),
    (STANFORD_13, NYU13, {
        "beam": "ceiling", "column": "wall", "door": "wall", "bookcase": "furniture",
        "board": "objects", "clutter": "objects"}),
    (NYU13, NYU_40, {"tv": "television"}),
    (NYU13, SUNRGBD_37, {"tv": "television"}),
    (STANFORD_13, NYU_40, {"bookcase": "bookshelf", "board": "whiteboard"}),
    (STANFORD_13, SUNRGBD_37, {"bookcase": "bookshelf", "board": "whiteboard"}),
    (NYU_40, STANFORD_13, _40_TO_STANFORD),
    (SUNRGBD_37, STANFORD_13, {name: own for name, own in _40_TO_STANFORD.items()
                               if name in SUNRGBD_37.names}),
)


def class_names(source: ClassSet, target: ClassSet) -> list[str | None]:
    """For each class of ``source`` the name of its class of ``target``, ``None`` for void."""
    stated = next((table for a, b, table in TABLES if (a, b) == (source, target)), {})
    names = [stated.get(name, name) for name in source.names]
    return [name if name in target.names else None for name in names]
