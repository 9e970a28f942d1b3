"""PLY files: the map with one fixed set of vertex properties, and tables of any properties."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from scenecode.core.atomic_write import replacing
from scenecode.core.errors import ResultError
from scenecode.slam.records.snapshot import FusedCloud, PointCloud

#: A vertex, in file order: name, PLY type, numpy type.
_PROPERTIES = (
    ("x", "float", "<f4"), ("y", "float", "<f4"), ("z", "float", "<f4"),
    ("red", "uchar", "u1"), ("green", "uchar", "u1"), ("blue", "uchar", "u1"),
    ("label", "uchar", "u1"), ("confidence", "float", "<f4"),
)
_VERTEX = np.dtype([(name, numpy_type) for name, _, numpy_type in _PROPERTIES])
_FIRST_LINES = ["ply", "format binary_little_endian 1.0"]
_PROPERTY_LINES = [f"property {ply_type} {name}" for name, ply_type, _ in _PROPERTIES]
#: PLY's names of types, by kind and size in bytes.
_TYPES = {"f4": "float", "f8": "double", "u1": "uchar", "u2": "ushort", "u4": "uint",
          "i1": "char", "i2": "short", "i4": "int"}
#: A header of ours is far shorter; more means that this is no PLY file.
_LONGEST_HEADER = 4096


def write_ply(path: str | Path, cloud: FusedCloud) -> None:
    """Write a cloud, atomically: position in metres, colour, class id, confidence."""
    header = [*_FIRST_LINES, f"element vertex {len(cloud)}", *_PROPERTY_LINES, "end_header"]
    with replacing(Path(path)) as temporary:
        with open(temporary, "wb") as file:
            file.write(("\n".join(header) + "\n").encode("ascii"))
            for chunk in cloud.chunks.values():
                _vertices(chunk).tofile(file)


def read_ply(path: str | Path) -> FusedCloud:
    """Read what ``write_ply`` writes; comments in the header are passed over.

    Raises ``ResultError`` for another layout, for a file that is too short or too long, and
    for points that are not finite.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ResultError(f"cannot read the map {path}: {error.strerror}") from error
    count, start = _parse_header(data, path)
    expected = start + count * _VERTEX.itemsize
    if len(data) != expected:
        raise ResultError(f"{path}: {len(data)} bytes, but its header announces {count} points, "
                          f"that is {expected} bytes; the file is damaged, export it again")
    v = np.frombuffer(data, _VERTEX, count, start)
    cloud = PointCloud(points=np.stack([v["x"], v["y"], v["z"]], -1),
                       colours=np.stack([v["red"], v["green"], v["blue"]], -1),
                       labels=v["label"].copy(), confidence=v["confidence"].copy())
    if not np.isfinite(cloud.points).all() or not np.isfinite(cloud.confidence).all():
        raise ResultError(f"{path}: a point is not finite; the file is damaged, export it again")
    return FusedCloud.of(cloud)


def write_tables(path: str | Path, tables: Mapping[str, np.ndarray],
                 comments: Sequence[str] = ()) -> None:
    """Write elements by name, atomically, binary: each a structured array, whose fields become
    properties; a field of several numbers becomes a list of so many in each row."""
    header, packed = [*_FIRST_LINES, *(f"comment {text}" for text in comments)], []
    for element, table in tables.items():
        header.append(f"element {element} {len(table)}")
        assert table.dtype.names is not None
        columns: list[tuple] = []
        for name in table.dtype.names:
            field = table.dtype[name]
            kind = field.base.str[1:]
            if not field.shape:
                header.append(f"property {_TYPES[kind]} {name}")
            else:
                header.append(f"property list uchar {_TYPES[kind]} {name}")
                columns.append((f"count of {name}", "u1"))
            columns.append((name, f"<{kind}", field.shape))
        rows = np.empty(len(table), np.dtype(columns))
        for name in table.dtype.names:
            rows[name] = table[name]
            if table.dtype[name].shape:
                rows[f"count of {name}"] = table.dtype[name].shape[0]
        packed.append(rows)
    with replacing(Path(path)) as temporary, open(temporary, "wb") as file:
        file.write(("\n".join([*header, "end_header"]) + "\n").encode("ascii", "replace"))
        for rows in packed:
            rows.tofile(file)


def _vertices(cloud: PointCloud) -> np.ndarray:
    vertices = np.empty(len(cloud), _VERTEX)
    for i, axis in enumerate("xyz"):
        vertices[axis] = cloud.points[:, i]
    for i, colour in enumerate(("red", "green", "blue")):
        vertices[colour] = cloud.colours[:, i]
    vertices["label"] = cloud.labels
    vertices["confidence"] = cloud.confidence
    return vertices


def _parse_header(data: bytes, path: str | Path) -> tuple[int, int]:
    """Number of vertices, and where they begin."""
    mark = b"end_header\n"
    end = data[:_LONGEST_HEADER].find(mark)
    if not data.startswith(b"ply\n") or end < 0:
        raise ResultError(f"{path}: not a PLY file with a complete header; give a map.ply of a "
                          "result folder")
    lines = data[:end].decode("ascii", errors="replace").splitlines()
    lines = [line.strip() for line in lines if not line.startswith(("comment", "obj_info"))]
    words = lines[2].split() if len(lines) > 2 else []
    counted = len(words) == 3 and words[:2] == ["element", "vertex"] and words[2].isdecimal()
    if lines[:2] != _FIRST_LINES or not counted or lines[3:] != _PROPERTY_LINES:
        raise ResultError(f"{path}: must be binary_little_endian with the vertex properties "
                          f"{', '.join(name for name, _, _ in _PROPERTIES)} in this order and "
                          "nothing else; export the map again")
    return int(words[2]), end + len(mark)
