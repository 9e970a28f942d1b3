"""Triangles on their way to a page."""

from dataclasses import replace

import numpy as np

from scenecode.slam.records.triangle_mesh import TriangleMesh
from scenecode.viewer.transport.surface_pieces import (
    SurfacePieces,
    coarser_triangles,
    pieces_of,
    surface_message,
)
from scenecode.viewer.transport.wire import parsed


def sheet(edge: float, count: int) -> TriangleMesh:
    """A square in the plane of x and y."""
    x, y = np.meshgrid(np.linspace(0, edge, count), np.linspace(0, edge, count))
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], 1).astype(np.float32)
    at = np.arange(count * count).reshape(count, count)
    a, b, c, d = (at[s].ravel() for s in (np.s_[:-1, :-1], np.s_[:-1, 1:], np.s_[1:, :-1],
                                          np.s_[1:, 1:]))
    size = len(vertices)
    return TriangleMesh(
        vertices=vertices,
        triangles=np.concatenate([np.stack([a, b, c], 1),
                                  np.stack([b, d, c], 1)]).astype(np.int32),
        colours=np.full((size, 3), 80, np.uint8), labels=np.arange(size).astype(np.uint8) % 13,
        confidence=np.full(size, 0.5, np.float32),
        normals=np.tile(np.float32([0, 0, 1]), (size, 1)))


def corners(mesh: TriangleMesh) -> set[tuple[float, ...]]:
    return {tuple(np.round(t, 3).ravel()) for t in mesh.vertices[mesh.triangles].astype(float)}


def test_pieces_have_every_triangle_once_and_stay_while_their_chunks_do():
    meshes = {(0, 0, 0): sheet(1, 3), (3, 0, 0): sheet(0.7, 4), (4, 0, 0): sheet(0.5, 5),
              (-1, 0, 0): TriangleMesh.empty()}
    made = SurfacePieces(0.03)
    made.update(meshes, meshes.__getitem__)
    before = made.pieces
    assert before.keys() == {"0.0.0", "1.0.0"}
    _, arrays = parsed(before["0.0.0"].message)
    header, _ = parsed(before["0.0.0"].message)
    full = arrays["triangles"][:header["counts"][0]].reshape(-1, 3)
    assert len(full) == before["0.0.0"].triangles
    assert corners(sent(before["0.0.0"].message)) == corners(meshes[0, 0, 0]) | corners(
        meshes[3, 0, 0])
    made.update([(4, 0, 0), (9, 9, 9)], lambda key: TriangleMesh.empty())
    assert made.pieces == {"0.0.0": before["0.0.0"]}


def test_any_mesh_comes_in_pieces_that_have_every_triangle_once():
    whole = sheet(11, 12)
    pieces = pieces_of(whole)
    assert len(pieces) == 9 and not pieces_of(TriangleMesh.empty())
    assert sum(piece.triangles for piece in pieces.values()) == len(whole.triangles)
    assert set().union(*(corners(sent(piece.message)) for piece in pieces.values())) == corners(
        whole)


def test_coarser_triangles_cover_the_same_with_fewer():
    mesh = sheet(2, 41)
    counts = []
    for cell in (0.01, 0.125, 0.3):
        triangles = coarser_triangles(mesh, cell)
        a, b, c = mesh.vertices[triangles].transpose(1, 0, 2)
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
        assert area > 0.65 * 4
        counts.append(len(triangles))
    assert counts[0] == len(mesh.triangles) > 4 * counts[1] > 12 * counts[2] > 0


def sent(message) -> TriangleMesh:
    """The vertices and finest triangles of a message."""
    header, arrays = parsed(message)
    steps = arrays["records"].reshape(-1, 12)[:, :6].copy().view("<u2")
    vertices = np.array(header["low"]) + steps * np.array(header["step"])
    triangles = arrays["triangles"][:header["counts"][0]].reshape(-1, 3)
    return replace(TriangleMesh.empty(), vertices=np.round(vertices, 4), triangles=triangles)


def test_a_piece_comes_back_as_it_was():
    mesh = sheet(2, 5)
    header, arrays = parsed(surface_message("0.0.0", mesh, [0.6]))
    rows = arrays["records"].reshape(-1, 12)
    steps = rows[:, :6].copy().view("<u2")
    points = np.array(header["low"]) + steps * np.array(header["step"])
    assert np.abs(points - mesh.vertices).max() < 1e-4
    assert np.array_equal(arrays["triangles"][:header["counts"][0]].reshape(-1, 3), mesh.triangles)
    assert np.array_equal(rows[:, 6], mesh.labels)
    assert arrays["normals"].reshape(-1, 4)[0].tolist() == [0, 0, 127, 0]
