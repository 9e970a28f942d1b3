"""Packages that only few commands need are imported where they are used: mapping needs none."""

import ast
from pathlib import Path

import pytest

import scenecode.networks

FOLDER = Path(scenecode.networks.__file__).parent
HEAVY = ("matplotlib", "h5py", "google", "scipy", "onnx", "onnxruntime", "trimesh")


def imported_with(path):
    """What importing a file imports: statements outside of functions and ``if``."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.slow
@pytest.mark.parametrize("package", HEAVY)
def test_heavy_packages_are_imported_where_they_are_used(package):
    users = [str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.py")
             if any(name.split(".")[0] == package for name in imported_with(path))]
    assert users == []
