"""Compares wheel and source distribution with the checkout: ``check_distributions.py DIST``.

Every module, configuration and weight must be inside, and the wheel must put nothing but
``scenecode`` into site-packages.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("slam", "networks", "optim", "viewer", "configs", "scenecode")
SHIPPED = (".py", ".yaml", ".safetensors", ".typed", ".md")

dist = Path(sys.argv[1])
[wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
with zipfile.ZipFile(wheel) as archive:
    in_wheel = set(archive.namelist())
with tarfile.open(sdist) as archive:
    in_sdist = {name.partition("/")[2] for name in archive.getnames()}

tracked = subprocess.run(["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True,
                         check=True).stdout.split()
missing = []
for name in tracked:
    if not name.endswith(SHIPPED):
        continue
    installed = name if name.startswith("scenecode/") else f"scenecode/{name}"
    missing += [f"wheel: {installed}"] * (installed not in in_wheel)
    missing += [f"sdist: {name}"] * (name not in in_sdist)
top = {name.partition("/")[0] for name in in_wheel}
foreign = sorted(name for name in top if name != "scenecode" and not name.endswith(".dist-info"))
if missing or foreign:
    raise SystemExit("\n".join(["not shipped:", *missing, "outside scenecode:", *foreign]))
print(f"{wheel.name} and {sdist.name}: {len(tracked)} files of the checkout are inside")
