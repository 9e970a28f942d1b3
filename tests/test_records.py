"""Records are built by name: a field that is inserted later must not shift the others."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("scenecode", "optim", "networks", "slam", "viewer")
#: Values that are given by position at most.
MOST = 3
#: The order of calibration files (fx, fy, cx, cy; k1, k2, ...), and rows of tables.
CONVENTIONAL = {"PinholeCamera", "BrownConrady", "KannalaBrandt", "Command", "_Sort"}


def trees():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def name_of(node):
    node = node.func if isinstance(node, ast.Call) else node
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def records(tree):
    """Names of the data classes that a module defines."""
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
            and "dataclass" in map(name_of, node.decorator_list)}


def by_position(tree, names):
    """Lines that build a record with more than ``MOST`` values by position, or with a sequence of
    them."""
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call)
            and name_of(node) in names
            and (len(node.args) > MOST or any(isinstance(a, ast.Starred) for a in node.args))]


@pytest.mark.slow
def test_records_are_built_by_keyword():
    modules = list(trees())
    names = set().union(*(records(tree) for _, tree in modules)) - CONVENTIONAL
    assert len(names) > 50
    assert not [f"{path}:{line}" for path, tree in modules for line in by_position(tree, names)]


def test_a_record_built_by_position_is_caught():
    tree = ast.parse("@dataclass(frozen=True)\nclass R:\n    a: int\n\n"
                     "R(1, 2, 3)\nR(1, 2, 3, d=4)\nmodule.R(1, 2, 3, 4)\nR(*values)\n")
    assert records(tree) == {"R"} and by_position(tree, {"R"}) == [7, 8]
