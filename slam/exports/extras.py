"""Libraries that only some formats need."""

from importlib import import_module
from typing import Any

from scenecode.core.errors import ConfigError


def import_extra(module: str, extra: str, export_format: str) -> Any:
    """A module of an optional dependency; ``ConfigError`` with the command that installs it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(f"--format {export_format} needs {module}, which is not installed "
                          f"({error}); pip install 'scenecode[{extra}]'") from error
