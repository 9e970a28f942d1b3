"""The architecture: which package imports which, read from the syntax trees.

``FLOORS`` is the only statement of the order; docs/architecture.md draws it.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("scenecode", "optim", "networks", "slam", "viewer")

#: From the ground up.  A package imports its own modules and those of lower floors; packages of
#: one floor do not import each other.
FLOORS = (
    ("core",),
    ("optim.geometry", "optim.imaging", "optim.segmentation"),
    ("optim",),
    ("optim.solvers", "optim.dense_crf"),
    ("networks",),
    ("networks.layers", "networks.data.base", "networks.data.rendering",
     "networks.data.scenenet"),
    ("networks.data.driving", "networks.data.indoor"),
    ("networks.data.rooms.models", "networks.data.streets.models"),
    ("networks.data.rooms", "networks.data.streets.layout"),
    ("networks.data.streets",),
    ("networks.data",),
    ("networks.families",),
    ("networks.families.scenecode", "networks.families.multiscale_crf",
     "networks.families.hybridnet", "networks.families.twins", "networks.families.depth_bins"),
    ("networks.inference",),
    ("networks.evaluation",),
    ("networks.training",),
    ("networks.families.scenecode.experiments",),
    ("slam.runtime", "slam.records"),
    ("slam.config",),
    ("slam.features", "slam.mapfile.storage", "slam.sources.calibration"),
    ("slam.map", "slam.sources.base"),
    ("slam.bundle", "slam.dense", "slam.tracking", "slam.sources.cameras",
     "slam.sources.datasets"),
    ("slam.sources", "slam.loops", "slam.fusion", "slam.surface",
     "slam.polygons"),
    ("slam.places", "slam.corrections"),
    ("slam.adjustment",),
    ("slam.calibration", "slam.mapping", "slam.evaluation"),
    ("slam.output.formats", "slam.mapfile", "slam.calibration.boards"),
    ("slam.output",),
    ("slam.exports",),
    ("slam",),
    ("viewer.inspection", "viewer.page"),
    ("viewer.transport", "viewer.offscreen"),
    ("slam.benchmarks", "viewer"),
    ("slam.benchmarks.soak", "slam.benchmarks.corrections", "slam.benchmarks.surface",
     "slam.training"),
    ("cli.networks",),
    ("cli",),
    ("",),
)
FLOOR = {package: number for number, packages in enumerate(FLOORS) for package in packages}
#: Files of a package at most, ``__init__`` not counted.
LARGEST_PACKAGE = 12

#: Mathematics needs neither files nor threads nor the network.
NOT_IN_OPTIM = {"asyncio", "concurrent", "cv2", "glob", "h5py", "http", "io", "json", "logging",
                "multiprocessing", "os", "pathlib", "pickle", "queue", "rich", "safetensors",
                "shutil", "socket", "subprocess", "sys", "tempfile", "threading", "urllib",
                "websockets", "yaml"}


def modules():
    """Dotted name below ``scenecode`` and file of every module; "" is the package itself."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = parts[1:] if folder == "scenecode" else parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())
PACKAGES = {name for name, path in MODULES.items() if path.name == "__init__.py"}


def package_of(module):
    return module if module in PACKAGES else module.rpartition(".")[0]


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
                yield full if full.removeprefix("scenecode.") in MODULES else node.module


def ours(path):
    """Modules of ours that a file imports, below ``scenecode``."""
    return sorted({name.removeprefix("scenecode").removeprefix(".") for name in imports(path)
                   if name == "scenecode" or name.startswith("scenecode.")})


def upward(module, path):
    """Imports of a file that the floors forbid."""
    own = package_of(module)
    return [f"{module} imports {name}" for name in ours(path)
            if package_of(name) != own and FLOOR[package_of(name)] >= FLOOR[own]]


def test_every_package_has_a_floor():
    assert PACKAGES == set(FLOOR)


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_imports_go_downwards_only(package):
    wrong = [text for module, path in MODULES.items() if package_of(module) == package
             for text in upward(module, path)]
    assert not wrong, "\n".join(wrong)


def test_modules_that_are_imported_exist():
    missing = [f"{module} imports {name}" for module, path in MODULES.items()
               for name in ours(path) if name not in MODULES and not name.startswith("configs")]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_package_has_more_files_than_one_takes_in_at_a_glance(package):
    files = [module for module in MODULES if package_of(module) == package and module != package]
    assert len(files) <= LARGEST_PACKAGE, sorted(files)


@pytest.mark.parametrize("family", sorted(
    path.parent.name for path in (ROOT / "networks" / "families").glob("*/family.py")))
def test_nothing_outside_a_family_of_networks_imports_it(family):
    """The registry names it as text."""
    own = f"networks.families.{family}"
    wrong = [f"{module} imports {name}" for module, path in MODULES.items()
             if not f"{module}.".startswith(f"{own}.") for name in ours(path)
             if f"{name}.".startswith(f"{own}.")]
    assert not wrong, "\n".join(wrong)


def test_mathematics_knows_no_files_threads_or_network():
    wrong = [f"{module} imports {name}" for module, path in MODULES.items()
             if module.split(".")[0] == "optim"
             for name in imports(path) if name.split(".")[0] in NOT_IN_OPTIM]
    assert not wrong, "\n".join(wrong)


def test_every_module_has_a_name_of_its_own_subject():
    vague = {"utils", "util", "helpers", "misc", "common"}
    assert not [module for module in MODULES if module.split(".")[-1] in vague]


def test_every_package_is_in_the_drawing():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = text[text.index("flowchart"):text.index("## The life")]
    # ``networks.data<br/>.base .rooms`` draws the packages inside a package
    absent = [name for name in PACKAGES - {""} if name not in drawn
              and f".{name.rpartition('.')[2]}" not in drawn]
    assert not absent, absent


def test_an_upward_import_is_caught(tmp_path):
    file = tmp_path / "bad.py"
    file.write_text("def f():\n    from scenecode.slam import system\n"
                    "    import scenecode.viewer.web as w\n")
    assert ours(file) == ["slam.system", "viewer.web"]
    assert len(upward("networks.training.train", file)) == 2
    assert not upward("cli.main", file)
