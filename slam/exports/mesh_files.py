"""Labelled surfaces: PLY, GLB and OBJ.

PLY and OBJ keep the map's world frame.  GLB has y up, as glTF demands, the origin on the floor
under the first camera: its vertices are in the world frame, too, and the root node, ``world``,
turns them.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scenecode.core.atomic_write import write_bytes, write_text
from scenecode.core.errors import ResultError
from scenecode.networks.classes import ClassSet
from scenecode.slam.exports.extras import import_extra
from scenecode.slam.exports.options import ExportOptions
from scenecode.slam.exports.point_cloud import class_comments
from scenecode.slam.output.formats.ply import write_tables
from scenecode.slam.output.saved_map import SavedMap
from scenecode.slam.records.triangle_mesh import TriangleMesh

#: x right, y ahead, z up to x right, y up, z back.
_GLTF_FROM_GROUND = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
_ROOT = "world"


def write_mesh_ply(saved: SavedMap, mesh: TriangleMesh, out: Path) -> None:
    """Vertices with normal, colour, ``label`` and ``confidence``, and triangles."""
    names = ("x", "y", "z", "nx", "ny", "nz", "red", "green", "blue", "label", "confidence")
    columns = np.concatenate([mesh.vertices, mesh.normals], axis=1)
    values = [*columns.T, *mesh.colours.T, mesh.labels, mesh.confidence]
    types = ["<f4"] * 6 + ["u1"] * 4 + ["<f4"]
    vertices = np.empty(len(mesh.vertices), np.dtype([*zip(names, types)]))
    for name, value in zip(names, values):
        vertices[name] = value
    faces = np.empty(len(mesh.triangles), np.dtype([("vertex_indices", "<i4", (3,))]))
    faces["vertex_indices"] = mesh.triangles
    write_tables(out, {"vertex": vertices, "face": faces},
                 ["units metres", *class_comments(saved.classes)])


def write_glb(saved: SavedMap, mesh: TriangleMesh, out: Path, options: ExportOptions) -> None:
    """Binary glTF: a node, a mesh and a material of its name for every class that occurs."""
    trimesh = import_extra("trimesh", "meshes", "glb")
    T = _GLTF_FROM_GROUND @ saved.T_ground_world
    scene = trimesh.Scene(base_frame="scene")
    scene.graph.update(frame_to=_ROOT, frame_from="scene", matrix=T)
    mesh = replace(mesh, colours=np.rint(255 * _linear(mesh.colours)).astype(np.uint8))
    for name, part in _class_meshes(trimesh, mesh, saved.classes, options):
        scene.add_geometry(part, node_name=name, geom_name=name, parent_node_name=_ROOT)
    data = scene.export(file_type="glb", include_normals=True, tree_postprocessor=lambda tree:
                        _set_materials(tree, saved.classes, options))
    write_bytes(out, data)


def write_obj(saved: SavedMap, mesh: TriangleMesh, out: Path, options: ExportOptions) -> None:
    """Wavefront OBJ: an object of its name for every class that occurs; with colours of classes
    ``NAME.mtl`` beside it holds a material of each."""
    trimesh = import_extra("trimesh", "meshes", "obj")
    scene = trimesh.Scene()
    for name, part in _class_meshes(trimesh, mesh, saved.classes, options):
        scene.add_geometry(part, node_name=name, geom_name=name)
    text, files = trimesh.exchange.obj.export_obj(
        scene, include_normals=True, return_texture=True, mtl_name=material_file(out).name,
        header="metres; x right, y down, z ahead of the first camera")
    for name, data in files.items():
        write_bytes(out.with_name(name), data)
    write_text(out, text + "\n")


def material_file(out: Path) -> Path:
    """The file of materials that belongs to an OBJ file."""
    return out.with_suffix(".mtl")


def require_surface(saved: SavedMap, mesh: TriangleMesh) -> None:
    """Raises ``ResultError`` for a mesh without triangles."""
    if not len(mesh.triangles):
        raise ResultError(f"{saved.path} has no surface; map until two keyframes see one "
                          "surface, or export --format npz, which needs none")


def triangle_labels(mesh: TriangleMesh) -> np.ndarray:
    """(M,) class id of each triangle: that of two of its corners, or else of the most certain
    one."""
    corners = mesh.labels[mesh.triangles]
    best = mesh.confidence[mesh.triangles].argmax(1)
    most_certain = corners[np.arange(len(corners)), best]
    a, b, c = corners.T
    return np.where((a == b) | (a == c), a, np.where(b == c, b, most_certain))


def _class_meshes(trimesh: Any, mesh: TriangleMesh, classes: ClassSet,
                  options: ExportOptions) -> Iterator[tuple[str, Any]]:
    """Name and ``trimesh.Trimesh`` of every class that has triangles."""
    labels = triangle_labels(mesh)
    for label, name in enumerate(classes.names):
        used, triangles = np.unique(mesh.triangles[labels == label], return_inverse=True)
        if not len(used):
            continue
        part = trimesh.Trimesh(mesh.vertices[used], triangles.reshape(-1, 3), process=False,
                               vertex_normals=mesh.normals[used])
        if options.colours == "class":
            material = trimesh.visual.material.PBRMaterial(
                name=name, baseColorFactor=[*classes.colours[label], 255])
            part.visual = trimesh.visual.TextureVisuals(material=material)
        else:
            part.visual = trimesh.visual.ColorVisuals(part, vertex_colors=mesh.colours[used])
        yield name, part


def _set_materials(tree: dict[str, Any], classes: ClassSet, options: ExportOptions) -> None:
    """Give every mesh of a glTF tree the material of its name: the colour of its class, or white,
    which leaves vertices their own colours."""
    tree["materials"] = []
    for mesh in tree["meshes"]:
        colour = _linear(np.array(classes.colours[classes.names.index(mesh["name"])])) \
            if options.colours == "class" else np.ones(3)
        for primitive in mesh["primitives"]:
            primitive["material"] = len(tree["materials"])
        tree["materials"].append({
            "name": mesh["name"], "doubleSided": True, "pbrMetallicRoughness": {
                "baseColorFactor": [*colour.tolist(), 1.0], "metallicFactor": 0.0,
                "roughnessFactor": 1.0}})


def _linear(colours: np.ndarray) -> np.ndarray:
    """Intensities in [0, 1] of sRGB values in 0..255, as glTF has colours of materials and
    vertices."""
    share = np.asarray(colours, np.float64) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
