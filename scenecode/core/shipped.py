"""Where the files are that come with the package: configurations and weights."""

from importlib.resources import files
from pathlib import Path

#: YAML files of ``scenecode.configs``, with ``train/`` and ``suites/`` inside.
CONFIGS = Path(str(files("scenecode.configs")))
#: Shipped checkpoints.
WEIGHTS = Path(str(files("scenecode.networks"))) / "weights"


def find_config(name: str, folder: str = "") -> Path:
    """The configuration file that ``name`` means: a path where there is such a file; otherwise
    one that comes with the package, by its name in ``folder`` of ``CONFIGS`` or by its path from
    ``configs/`` on, as the documentation writes it.  ``name`` itself where there is none."""
    shipped = (CONFIGS / folder / f"{name}.yaml", CONFIGS.parent / name)
    return next((path for path in (Path(name), *shipped) if path.is_file()), Path(name))
