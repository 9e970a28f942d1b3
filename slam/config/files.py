"""Configurations as files and ``key=value`` assignments: read strictly, written with a comment
for every key."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml

from scenecode.core.errors import ConfigError
from scenecode.core.strict_config import from_mapping, load_yaml, override, to_mapping
from scenecode.slam.config.renamed import RENAMED
from scenecode.slam.config.setting import description, is_basic
from scenecode.slam.config.slam_config import SlamConfig

_WIDTH = 95
_ALL = """# Every setting, as 'scenecode config --all' prints it.  Copy, change, and give to
# run --config FILE; keys that are left out keep their defaults, unknown keys are errors.
"""
_BASIC = """# Basic settings and changed ones; 'scenecode config --all' prints all.  Copy,
# change, and give to run --config FILE; keys that are left out keep their defaults.
"""


def load_config(path: str | Path, name: str = "") -> SlamConfig:
    """The configuration in a YAML file; ``name`` stands for it in messages.

    Raises ``ConfigError`` for a file that is missing or not valid, for an unknown key, for one of
    an earlier version with what replaces it, and for a value that is not allowed.
    """
    return from_mapping(SlamConfig, load_yaml(path), name or str(path), RENAMED)


def parse_config(text: str, name: str) -> SlamConfig:
    """The configuration in a YAML text, as ``config_text`` writes it; ``name`` stands for it in
    messages.  Raises as ``load_config``."""
    try:
        mapping = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not valid YAML: {error}") from error
    if not isinstance(mapping, dict):
        raise ConfigError(f"{name}: must be a mapping of settings")
    return from_mapping(SlamConfig, mapping, name, RENAMED)


def changed(config: SlamConfig, assignment: str) -> SlamConfig:
    """``config`` with one setting changed by ``key.sub=value``; raises as ``load_config``."""
    return override(config, assignment, RENAMED)


def config_text(config: SlamConfig, everything: bool) -> str:
    """YAML of a configuration, with meaning and unit of every key: all of them, or the basic ones
    and those that differ from the defaults.  ``load_config`` reads the same configuration back."""
    lines = _lines(config, SlamConfig(), everything, "")
    return (_ALL if everything else _BASIC) + "\n".join(lines) + "\n"


def _lines(config: Any, defaults: Any, everything: bool, indent: str) -> Iterator[str]:
    for entry in fields(config):
        value, default = getattr(config, entry.name), getattr(defaults, entry.name)
        if is_dataclass(value):
            body = list(_lines(value, default, everything, indent + "  "))
            head = [f"{indent}{entry.name}:"] if body else []
        else:
            shown = everything or is_basic(entry) or value != default
            # entries of a list on one line each
            text = yaml.safe_dump({entry.name: to_mapping(value)}, sort_keys=False,
                                  default_flow_style=None if isinstance(value, tuple) else False)
            head, body = [], [indent + line for line in text.splitlines()] if shown else []
        if body:
            if head and not indent:
                yield ""
            comment = wrap(description(entry), _WIDTH - len(indent), break_on_hyphens=False)
            yield from (f"{indent}# {line}" for line in comment)
            yield from head
            yield from body
