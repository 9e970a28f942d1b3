"""Triangles on their way to a page."""

import numpy as np

from scenecode.slam.records.triangle_mesh import TriangleMesh
from scenecode.viewer.transport.surface_pieces import surface_message, surface_pieces
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
    return {tuple(np.round(t, 4).ravel()) for t in mesh.vertices[mesh.triangles]}


def test_pieces_have_every_triangle_once():
    whole = sheet(10, 12)
    pieces = dict(surface_pieces(whole))
    assert len(pieces) == 9
    assert sum(len(mesh.triangles) for mesh in pieces.values()) == len(whole.triangles)
    assert set().union(*map(corners, pieces.values())) == corners(whole)


def test_no_triangles_are_no_pieces():
    assert dict(surface_pieces(TriangleMesh.empty())) == {}


def test_a_piece_comes_back_as_it_was():
    mesh = sheet(2, 5)
    header, arrays = parsed(surface_message("0.0.0", mesh))
    rows = arrays["records"].reshape(-1, 12)
    steps = rows[:, :6].copy().view("<u2")
    points = np.array(header["low"]) + steps * np.array(header["step"])
    assert np.abs(points - mesh.vertices).max() < 1e-4
    assert np.array_equal(arrays["triangles"].reshape(-1, 3), mesh.triangles)
    assert np.array_equal(rows[:, 6], mesh.labels)
    assert arrays["normals"].reshape(-1, 4)[0].tolist() == [0, 0, 127, 0]
