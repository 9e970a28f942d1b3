"""How settings are declared: each field of a configuration carries meaning, unit and range."""

from dataclasses import Field, field, fields
from typing import Any

#: Unit of shares; they lie between 0 and 1.
SHARE = "0-1"


def setting(default: Any, meaning: str, unit: str = "", basic: bool = False,
            minimum: float | None = None, positive: bool = False) -> Any:
    """A dataclass field with a default, described for whoever reads ``scenecode config``;
    ``basic`` ones are shown without ``--all``.

    ``check_ranges`` refuses values below a ``minimum``, those that are not ``positive``, and
    shares outside 0 to 1.
    """
    return field(default=default, metadata={"meaning": meaning, "unit": unit, "basic": basic,
                                            "minimum": minimum, "positive": positive})


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


def check_ranges(config: Any, prefix: str) -> None:
    """Raise ``ValueError``, which names key, rule and value, for a field outside its range;
    ``prefix`` is the dotted key of the configuration, with a dot at its end."""
    for entry in fields(config):
        value = getattr(config, entry.name)
        rule = _broken_rule(entry, value) if isinstance(value, (int, float)) else None
        if rule is not None:
            raise ValueError(f"{prefix}{entry.name} must be {rule}, got {value}")


def _broken_rule(entry: Field, value: float) -> str | None:
    # written so that a NaN breaks every rule
    minimum = entry.metadata.get("minimum")
    if entry.metadata.get("positive") and not value > 0:
        return "positive"
    if minimum is not None and not value >= minimum:
        return f"at least {minimum}"
    if entry.metadata.get("unit") == SHARE and not 0 <= value <= 1:
        return "from 0 to 1"
    return None
