"""Reading ``.glb`` models as triangles in coloured groups.

glTF's axes are y up and z to the front.  Reading needs ``trimesh``; drawing does not.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from scenecode.core.errors import DataError

_AXES = np.array([[-1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]])

#: (T, 3, 3) corners and an (r, g, b) in [0, 1]
Part = tuple[np.ndarray, np.ndarray]


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
