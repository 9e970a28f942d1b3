"""Surfaces are read back by trimesh and plyfile, with the names of classes."""

import json

import numpy as np
import pytest
import trimesh
from support.saved_maps import box_mesh, room_map

from scenecode.core.errors import ResultError
from scenecode.slam.exports.export import require_exportable
from scenecode.slam.exports.mesh_files import (
    triangle_labels,
    write_glb,
    write_mesh_ply,
    write_obj,
)
from scenecode.slam.exports.options import ExportOptions
from scenecode.slam.records.triangle_mesh import TriangleMesh


def intensity(colours):
    """glTF's colours are linear, those of images are sRGB."""
    share = np.array(colours) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def class_area(mesh, label):
    part = mesh.triangles[triangle_labels(mesh) == label]
    return trimesh.Trimesh(mesh.vertices, part, process=False).area


def test_ply_keeps_vertices_triangles_and_labels(tmp_path):
    plyfile = pytest.importorskip("plyfile", reason="needs plyfile: pip install -e '.[test]'")
    saved, mesh = room_map(1, 32), box_mesh()
    write_mesh_ply(saved, mesh, tmp_path / "mesh.ply")
    found = plyfile.PlyData.read(tmp_path / "mesh.ply")
    for names, values in ((("x", "y", "z"), mesh.vertices), (("nx", "ny", "nz"), mesh.normals),
                          (("red", "green", "blue"), mesh.colours)):
        assert np.stack([found["vertex"][name] for name in names], 1) == pytest.approx(values)
    assert np.array_equal(found["vertex"]["label"], mesh.labels)
    assert found["vertex"]["confidence"] == pytest.approx(mesh.confidence)
    assert np.array_equal(np.stack(found["face"]["vertex_indices"]), mesh.triangles)
    again = trimesh.load(tmp_path / "mesh.ply", process=False)
    assert np.allclose(again.vertices, mesh.vertices) and len(again.faces) == len(mesh.triangles)


@pytest.mark.parametrize("colours", ["class", "image"])
def test_glb_has_a_node_and_a_material_of_every_class_and_y_up(tmp_path, colours):
    saved, mesh = room_map(1, 32), box_mesh()
    write_glb(saved, mesh, tmp_path / "mesh.glb", ExportOptions(colours=colours))
    scene = trimesh.load(tmp_path / "mesh.glb", process=False)
    present = {saved.classes.names[label] for label in np.unique(triangle_labels(mesh))}
    assert len(present) > 1
    assert set(scene.geometry) == set(scene.graph.nodes_geometry) == present
    up = np.linalg.inv(saved.T_ground_world)
    for name, part in scene.geometry.items():
        label = saved.classes.names.index(name)
        assert part.area == pytest.approx(class_area(mesh, label), rel=1e-4)
        # the vertices are in the world frame of the map, the root turns them
        distance = np.linalg.norm(part.vertices[:, None] - mesh.vertices, axis=-1)
        assert distance.min(1).max() < 1e-6
        T, _ = scene.graph.get(name)
        assert T[:3, :3] @ up[:3, 2] == pytest.approx([0, 1, 0], abs=1e-6)
        assert T @ up[:, 3] == pytest.approx([0, 0, 0, 1], abs=1e-6)
        if colours == "class":
            assert part.visual.material.name == name
            assert part.visual.material.baseColorFactor[:3] / 255 \
                == pytest.approx(intensity(saved.classes.colours[label]), abs=0.003)
        else:
            found = part.visual.vertex_attributes["color"][:, :3]
            assert found / 255 == pytest.approx(intensity(mesh.colours[distance.argmin(1)]),
                                                abs=0.003)
    assert names_of_materials(tmp_path / "mesh.glb") == present


def names_of_materials(path):
    """From the JSON chunk of a GLB file, which follows 20 bytes of header."""
    data = path.read_bytes()
    tree = json.loads(data[20:20 + int.from_bytes(data[12:16], "little")])
    used = {primitive["material"] for mesh in tree["meshes"] for primitive in mesh["primitives"]}
    return {tree["materials"][number]["name"] for number in used}


def test_obj_has_an_object_and_a_material_of_every_class(tmp_path):
    saved, mesh = room_map(1, 32), box_mesh()
    write_obj(saved, mesh, tmp_path / "mesh.obj", ExportOptions())
    scene = trimesh.load(tmp_path / "mesh.obj", split_objects=True, group_material=False,
                         process=False)
    parts = scene.geometry if isinstance(scene, trimesh.Scene) else {"only": scene}
    names = {part.visual.material.name for part in parts.values()}
    labels = np.unique(triangle_labels(mesh))
    assert names == {saved.classes.names[label] for label in labels}
    assert sum(part.area for part in parts.values()) \
        == pytest.approx(trimesh.Trimesh(mesh.vertices, mesh.triangles).area, rel=1e-4)
    low, high = scene.bounds
    assert low == pytest.approx(mesh.vertices.min(0), abs=1e-6)
    assert high == pytest.approx(mesh.vertices.max(0), abs=1e-6)
    for part in parts.values():
        label = saved.classes.names.index(part.visual.material.name)
        assert part.visual.material.diffuse[:3].tolist() == list(saved.classes.colours[label])


def test_a_triangle_has_the_label_of_two_corners_or_of_the_most_certain_one():
    mesh = TriangleMesh(
        vertices=np.zeros((5, 3), np.float32), colours=np.zeros((5, 3), np.uint8),
        normals=np.zeros((5, 3), np.float32), labels=np.array([1, 2, 2, 3, 1], np.uint8),
        confidence=np.array([0.9, 0.5, 0.5, 0.6, 0.2], np.float32),
        triangles=np.array([[0, 1, 2], [0, 1, 3], [4, 3, 1], [0, 3, 4]], np.int32))
    assert triangle_labels(mesh).tolist() == [2, 1, 3, 1]


def test_the_material_file_of_another_export_stays(tmp_path):
    (tmp_path / "mesh.mtl").write_text("precious")
    with pytest.raises(ResultError, match="mesh.mtl exists already"):
        require_exportable("obj", tmp_path / "mesh.obj")
