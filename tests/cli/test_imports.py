"""What a command loads: nothing that it does not need."""

import subprocess
import sys

import pytest

#: Loaded by training, evaluation and data sets only.
HEAVY = ("matplotlib", "h5py", "websockets", "selenium", "trimesh")


def loaded_by(code):
    """Names of all modules that a fresh interpreter has after running ``code``."""
    out = subprocess.run([sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
                         capture_output=True, text=True, check=True).stdout
    return set(out.split())


def after(*argv):
    return loaded_by("from scenecode.cli.main import main\n"
                     f"try: main({list(argv)!r})\nexcept SystemExit: pass")


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["evaluate", "--help"], ["nonsense"]])
def test_help_loads_neither_torch_nor_numpy_nor_any_command(argv):
    """Which is why it is there at once, on any machine."""
    modules = after(*argv)
    assert not {"torch", "numpy", "cv2", "scipy", "yaml"} & modules
    ours = {name for name in modules if name.startswith("scenecode.")}
    assert {name.split(".")[1] for name in ours} <= {"cli", "core"}


@pytest.mark.slow
def test_settings_are_printed_without_libraries_that_draw_or_serve():
    assert not {"matplotlib", "h5py", "websockets"} & after("config")


@pytest.mark.slow
def test_run_needs_no_library_of_training_evaluation_or_data_sets(tiny_weights, tmp_path):
    """As on a machine where these are not installed: importing them fails."""
    blocked = "\n".join(f"sys.modules[{name!r}] = None" for name in HEAVY)
    argv = ["run", "rooms:1:6", "--sequential", "--out", str(tmp_path / "out"), "--model",
            str(tiny_weights), "--set", "width=64", "--set", "height=64"]
    code = f"import sys\n{blocked}\nfrom scenecode.cli.main import main\nsys.exit(main({argv!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "overview.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["configs", "networks", "slam", "optim", "viewer"])
def test_folders_of_the_user_are_not_in_the_way(tmp_path, name):
    """``python -m`` looks for modules in the current folder first."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise ImportError('of the user')\n")
    done = subprocess.run([sys.executable, "-m", "scenecode", "config"], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == 0 and "tracking:" in done.stdout, done.stderr
