"""Runs mypy on the whole package: ``python .ci/typecheck.py [mypy options]``.

The folders of the checkout are one package only once they are installed; a tree of links gives
mypy the layout that it needs to follow imports.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("slam", "networks", "optim", "viewer", "configs")

with tempfile.TemporaryDirectory() as tree:
    package = Path(tree) / "scenecode"
    package.mkdir()
    for entry in [*(ROOT / "scenecode").iterdir(), *(ROOT / folder for folder in FOLDERS)]:
        (package / entry.name).symlink_to(entry, target_is_directory=entry.is_dir())
    raise SystemExit(subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"),
         "--cache-dir", str(ROOT / ".mypy_cache"), "-p", "scenecode", *sys.argv[1:]],
        cwd=tree, check=False).returncode)
