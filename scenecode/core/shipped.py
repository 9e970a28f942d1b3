"""Where the files are that come with the package: configurations and weights."""

from importlib.resources import files
from pathlib import Path

#: YAML files of ``scenecode.configs``, with ``train/`` and ``suites/`` inside.
CONFIGS = Path(str(files("scenecode.configs")))
#: Shipped checkpoints.
WEIGHTS = Path(str(files("scenecode.networks"))) / "weights"
