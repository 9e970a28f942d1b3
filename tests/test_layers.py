"""The floors of the house: which package may import which, read from the syntax trees."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("optim", "networks", "slam", "viewer")
#: The only file above the viewer.
TOP = "slam.cli"

#: What each floor may import of ours, its own package included.
ALLOWED = {
    "optim": ("optim",),
    "networks": ("networks", "optim"),
    "slam": ("slam", "networks", "optim"),
    "viewer": ("viewer", "slam.snapshot", "slam.export", "networks.classes",
               "networks.colours", "networks.errors", "optim.camera"),
}

#: Mathematics needs neither files nor threads nor the network.
NO_OUTSIDE = {"asyncio", "concurrent", "cv2", "glob", "h5py", "http", "io", "json", "logging",
              "multiprocessing", "os", "pathlib", "pickle", "queue", "rich", "safetensors",
              "shutil", "socket", "subprocess", "sys", "tempfile", "threading", "urllib", "viser",
              "yaml"}


def modules():
    """Dotted name and file of every module of ours."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def imports(path):
    """Dotted names of everything a file imports, at any depth of its code.

    ``from a import b`` counts as ``a.b`` where that is a module of ours, else as ``a``.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def within(name, packages):
    return any(name == p or name.startswith(p + ".") for p in packages)


def ours(path):
    return sorted({name for name in imports(path) if within(name, PACKAGES)})


def test_modules_were_found():
    assert {"optim.se3", "networks.prediction", "slam.system", "viewer.web", TOP} <= set(MODULES)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_downwards_only(package):
    wrong = [f"{module} imports {name}" for module, path in MODULES.items()
             if within(module, [package]) and module != TOP
             for name in ours(path) if not within(name, ALLOWED[package])]
    assert not wrong, "\n".join(wrong)


def test_nobody_imports_the_command_line():
    assert not [module for module, path in MODULES.items() if TOP in ours(path)]


def test_mathematics_knows_no_files_threads_or_network():
    wrong = [f"{module} imports {name}" for module, path in MODULES.items()
             if within(module, ["optim"])
             for name in imports(path) if name.split(".")[0] in NO_OUTSIDE]
    assert not wrong, "\n".join(wrong)


def test_every_module_has_a_name_of_its_own_subject():
    vague = {"utils", "util", "helpers", "misc", "common"}
    assert not [module for module in MODULES if module.split(".")[-1] in vague]


def test_rules_catch_an_upward_import(tmp_path):
    file = tmp_path / "bad.py"
    file.write_text("def f():\n    from slam import mapping\n    import viewer.web as w\n")
    assert ours(file) == ["slam.mapping", "viewer.web"]
    assert not any(within(name, ALLOWED["networks"]) for name in ours(file))
