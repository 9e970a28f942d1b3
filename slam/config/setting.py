"""How settings are declared: each field of a configuration carries its meaning and unit."""

from dataclasses import Field, field
from typing import Any


def setting(default: Any, meaning: str, unit: str = "", basic: bool = False) -> Any:
    """A dataclass field with a default, described for whoever reads ``scenecode config``;
    ``basic`` ones are shown without ``--all``."""
    return field(default=default,
                 metadata={"meaning": meaning, "unit": unit, "basic": basic})


def group(kind: type, meaning: str) -> Any:
    """A dataclass field that holds another configuration with its own defaults."""
    return field(default_factory=kind, metadata={"meaning": meaning})


def description(entry: Field) -> str:
    """Meaning and unit of a field; empty for one that was not declared by this module."""
    meaning, unit = entry.metadata.get("meaning", ""), entry.metadata.get("unit", "")
    return f"{meaning} [{unit}]" if unit else meaning


def is_basic(entry: Field) -> bool:
    """Whether a field is shown without ``--all``."""
    return bool(entry.metadata.get("basic", False))
