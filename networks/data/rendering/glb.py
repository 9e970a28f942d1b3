"""Reading ``.glb`` models as triangles in coloured groups.

glTF's axes are y up and z to the front.  Reading needs ``trimesh``; drawing does not.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from scenecode.core.errors import DataError

_AXES = np.array([[-1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]])

#: (T, 3, 3) corners and an (r, g, b) in [0, 1]
Part = tuple[np.ndarray, np.ndarray]


class Sort(Protocol):
    """A kind of models, known by their file names."""

    @property
    def names(self) -> tuple[str, ...]:
        """How names of its files begin, in lower case."""
        ...

    @property
    def role(self) -> str:
        """What its models stand in for."""
        ...


SortT = TypeVar("SortT", bound=Sort)
ModelT = TypeVar("ModelT")


def models_by_role(folder: str, sorts: Sequence[SortT],
                   make: Callable[[SortT, tuple[Part, ...]], ModelT], most_triangles: int,
                   wanted: str, excluded: tuple[str, ...] = ()) -> dict[str, list[ModelT]]:
    """Models below ``folder`` by the roles of their sorts: the first of ``sorts`` that fits a name
    counts, names that begin like one of ``excluded`` and models of more than ``most_triangles``
    are left out.

    Raises ``DataError`` as ``read_models``, and where none is left: ``wanted`` says what was.
    """
    def sort_of(stem: str) -> SortT | None:
        name = stem.lower()
        if name.startswith(excluded):
            return None
        return next((s for s in sorts if name.startswith(s.names)), None)

    roles: dict[str, list[ModelT]] = {}
    for path, parts in read_models(folder, lambda stem: sort_of(stem) is not None):
        sort = sort_of(path.stem)
        if sort is not None and sum(len(c) for c, _ in parts) <= most_triangles:
            roles.setdefault(sort.role, []).append(make(sort, parts))
    if not roles:
        raise DataError(f"meshes={folder}: no .glb file of at most {most_triangles} triangles is "
                        f"named like {wanted}")
    return roles


def read_models(folder: str, wanted: Callable[[str], bool]
                ) -> Iterator[tuple[Path, tuple[Part, ...]]]:
    """The models below ``folder`` whose name without ending is ``wanted``: triangles by material,
    z up and y to the front, standing on the origin; degenerate ones are dropped.

    Raises ``DataError`` when trimesh is missing or a file holds no triangles.
    """
    try:
        import trimesh
    except ImportError as error:
        raise DataError(f"meshes={folder}: reading .glb models needs trimesh; "
                        "pip install scenecode[meshes]") from error
    for path in sorted(Path(folder).rglob("*.glb")):
        if wanted(path.stem):
            yield path, _parts(trimesh.load(path, force="scene"), path)


def _parts(scene, path: Path) -> tuple[Part, ...]:
    found = []
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        mesh = scene.geometry[name]
        corners = np.asarray(mesh.vertices) @ transform[:3, :3].T + transform[:3, 3]
        corners = (corners @ _AXES.T)[np.asarray(mesh.faces)]
        edges = corners[:, 1:] - corners[:, :1]
        colours = _colours(mesh)
        area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
        for colour in np.unique(colours[area > 1e-9], axis=0):
            found.append((corners[(area > 1e-9) & (colours == colour).all(1)], colour))
    if not found:
        raise DataError(f"{path}: holds no triangles; remove it from the folder")
    points = np.concatenate([c for c, _ in found]).reshape(-1, 3)
    low, high = points.min(0), points.max(0)
    base = np.array([*(low + high)[:2] / 2, low[2]])
    return tuple((c - base, colour) for c, colour in found)


def _colours(mesh) -> np.ndarray:
    """(T, 3) colour of each triangle in [0, 1]: of its middle in the texture, where there is one,
    in 16 steps."""
    material = getattr(mesh.visual, "material", mesh.visual)
    count = len(mesh.faces)
    picture, uv = getattr(material, "baseColorTexture", None), getattr(mesh.visual, "uv", None)
    if picture is None or uv is None:
        return np.tile(np.asarray(material.main_color[:3], float) / 255, (count, 1))
    image = np.asarray(picture.convert("RGB"))
    height, width = image.shape[:2]
    middle = np.asarray(uv)[np.asarray(mesh.faces)].mean(1) % 1.0
    colours = image[((1 - middle[:, 1]) * (height - 1)).astype(int),
                    (middle[:, 0] * (width - 1)).astype(int)]
    return np.round(colours / 17.0) / 15.0
