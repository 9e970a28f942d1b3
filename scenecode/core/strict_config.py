"""Strict configurations: frozen dataclasses filled from YAML, where every key must be known.

A configuration is a frozen dataclass with a default for every field.  Fields may be
``bool int float str``, an ``Enum`` (written as its value), ``T | None``, ``tuple[...]``,
``Literal[...]`` or another such dataclass; metadata of fields is ignored.
``from_mapping`` reads one, ``to_mapping`` writes it back, ``override`` changes one key of it
(the command line's ``--set key.sub=value``).  Both take ``renamed``, the keys of earlier
versions, so that an old file is answered with the key to write instead.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from scenecode.core.errors import ConfigError
from scenecode.core.text_file import read_text

T = TypeVar("T")

#: Key of a file whose mapping this one changes.
EXTENDS = "extends"


@dataclass(frozen=True)
class Removed:
    """A key without a successor; ``reason`` completes the sentence "it no longer exists: ..."."""

    reason: str


#: Dotted keys of earlier versions (single keys or whole groups): the dotted key that replaces
#: each, or why there is none.
Renamed = Mapping[str, str | Removed]


def load_yaml(path: str | Path) -> dict:
    """The mapping in a YAML file; an empty file is an empty mapping.

    A file that says ``extends: FILE`` (from its own folder) changes only what it names of that
    file's mapping.  Raises ``ConfigError`` for a file that is missing, is not YAML, holds no
    mapping or extends itself.
    """
    return _load_extended(Path(path), ())


def _load_extended(path: Path, extending: tuple[Path, ...]) -> dict:
    if path.resolve() in extending:
        raise ConfigError(f"{path}: extends itself; let '{EXTENDS}' name another file")
    mapping = _read_mapping(path)
    if EXTENDS not in mapping:
        return mapping
    base = mapping.pop(EXTENDS)
    if not isinstance(base, str):
        raise ConfigError(f"{path}: '{EXTENDS}' must name a file; got {_kind(base)}")
    return _merged(_load_extended(path.parent / base, (*extending, path.resolve())), mapping)


def _merged(base: dict, changes: dict) -> dict:
    """``base`` with ``changes``, mappings inside mappings merged in turn."""
    both = {key: _merged(base[key], value)
            if isinstance(value, dict) and isinstance(base.get(key), dict) else value
            for key, value in changes.items()}
    return base | both


def _read_mapping(path: Path) -> dict:
    try:
        data = yaml.safe_load(read_text(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration ({error.strerror}); "
                          "check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected 'key: value' lines, got {_kind(data)}")
    return data


def from_mapping(cls: type[T], mapping: Mapping, where: str = "configuration",
                 renamed: Renamed = MappingProxyType({}),
                 types: Mapping[str, type] = MappingProxyType({})) -> T:
    """A ``cls`` with the values of ``mapping`` and its own defaults for the rest.

    ``where`` (a file name) opens every message.  ``types`` gives the types of those fields of
    ``cls`` itself that are annotated more generally.  Raises ``ConfigError`` for keys of an
    earlier version, with those that replace them, for an unknown key, with the nearest valid
    ones, and for a value of the wrong type.
    """
    if isinstance(mapping, Mapping):
        _check_renamed(_leaves(mapping, ""), where, renamed)
    return _build(cls, mapping, where, "", types)


def to_mapping(config: Any) -> Any:
    """Nested plain dicts, lists and scalars: what YAML and JSON can hold."""
    if is_dataclass(config):
        return {f.name: to_mapping(getattr(config, f.name)) for f in fields(config)}
    if isinstance(config, tuple):
        return [to_mapping(item) for item in config]
    return config.value if isinstance(config, Enum) else config


def override(config: T, assignment: str, renamed: Renamed = MappingProxyType({})) -> T:
    """``config`` with one key changed by ``key.sub=value``; the value is read as YAML.

    Raises ``ConfigError`` as ``from_mapping`` does, or when there is no ``=``.
    """
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {assignment}: expected key=value, without blanks around '='")
    try:
        value = yaml.safe_load(text) if text.strip() else None
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {assignment}: the value is not valid YAML") from error
    _check_renamed([key.strip()], f"--set {assignment}", renamed)
    return _override(config, key.strip().split("."), value, f"--set {assignment}", "")


def _leaves(mapping: Mapping, prefix: str) -> Iterator[str]:
    """Dotted keys of everything in a mapping that is not itself a mapping with content."""
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _check_renamed(keys: Iterable[str], where: str, renamed: Renamed) -> None:
    """Raise ``ConfigError`` that lists every key of an earlier version with its successor."""
    messages, removed = [], dict[str, list[str]]()
    for key in keys:
        new = _successor(key, renamed)
        if isinstance(new, Removed):
            removed.setdefault(new.reason, []).append(f"'{key}'")
        elif new is not None:
            messages.append(f"'{key}' is now '{new}'")
    messages += [f"{', '.join(names)} no longer exist{'s' * (len(names) == 1)}: {reason}"
                 for reason, names in removed.items()]
    if messages:
        start, separator = ("\n  ", "\n  ") if len(messages) > 1 else (" ", "")
        raise ConfigError(f"{where}:{start}{separator.join(messages)}")


def _successor(key: str, renamed: Renamed) -> str | Removed | None:
    """What became of ``key``: by the longest entry that is the key itself or a group of it."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        new = renamed.get(".".join(parts[:length]))
        if isinstance(new, str):
            return ".".join([new, *parts[length:]])
        if new is not None:
            return new
    return None


def _override(config, parts: list[str], value, where: str, prefix: str):
    name = parts[0]
    _check_keys(type(config), [name], where, prefix)
    path = prefix + name
    if len(parts) == 1:
        hint = get_type_hints(type(config))[name]
        return _replace(config, {name: _convert(hint, value, where, path)}, where)
    child = getattr(config, name)
    if not is_dataclass(child):
        raise ConfigError(f"{where}: '{path}' is a single value, it has no "
                          f"'{'.'.join(parts[1:])}'")
    return _replace(config, {name: _override(child, parts[1:], value, where, path + ".")}, where)


def _build(cls, mapping, where: str, prefix: str, types: Mapping[str, type]):
    if not isinstance(mapping, Mapping):
        at = f"'{prefix[:-1]}'" if prefix else "the top level"
        raise ConfigError(f"{where}: {at} must hold keys and values, got {_kind(mapping)}")
    _check_keys(cls, mapping, where, prefix)
    hints = get_type_hints(cls) | dict(types)
    values = {key: _convert(hints[key], value, where, prefix + key)
              for key, value in mapping.items()}
    try:
        return cls(**values)
    except (TypeError, ValueError, ConfigError) as error:
        raise ConfigError(f"{where}: {error}") from error


def _replace(config, values: dict, where: str):
    try:
        return replace(config, **values)
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"{where}: {error}") from error


def _check_keys(cls, keys, where: str, prefix: str) -> None:
    valid = [f.name for f in fields(cls)]
    for key in keys:
        if key in valid:
            continue
        near = get_close_matches(str(key), valid, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"valid: {', '.join(valid)}"
        raise ConfigError(f"{where}: unknown key '{prefix}{key}'; {hint}")


def _convert(hint, value, where: str, path: str):
    """``value`` as the annotated type, or ``ConfigError`` naming the key."""
    origin = get_origin(hint)
    if is_dataclass(hint):
        return _build(hint, value, where, path + ".", {})
    if origin in (Union, UnionType):
        return _convert_optional(hint, value, where, path)
    if origin is Literal:
        if value not in get_args(hint):
            choices = ", ".join(map(str, get_args(hint)))
            raise ConfigError(f"{where}: '{path}' must be one of {choices}; got {value!r}")
        return value
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _convert_enum(hint, value, where, path)
    if origin is tuple:
        return _convert_tuple(hint, value, where, path)
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str) and _is_number(value):
        return float(value)  # YAML 1.1 reads 1e-4 as text
    if type(value) is not hint:
        raise ConfigError(f"{where}: '{path}' must be {_NAMES.get(hint, hint)}; "
                          f"got {_kind(value)}")
    return value


def _convert_optional(hint, value, where: str, path: str):
    options = get_args(hint)
    if value is None and NoneType in options:
        return None
    rest = [option for option in options if option is not NoneType]
    return _convert(rest[0] if len(rest) == 1 else type(value), value, where, path)


def _convert_enum(hint: type[Enum], value, where: str, path: str) -> Enum:
    try:
        return hint(value)
    except ValueError as error:
        choices = ", ".join(str(member.value) for member in hint)
        raise ConfigError(f"{where}: '{path}' must be one of {choices}; "
                          f"got {value!r}") from error


def _convert_tuple(hint, value, where: str, path: str):
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where}: '{path}' must be a list; got {_kind(value)}")
    types = get_args(hint)
    if len(types) == 2 and types[1] is Ellipsis:
        types = (types[0],) * len(value)
    if len(types) != len(value):
        raise ConfigError(f"{where}: '{path}' needs {len(types)} entries; got {len(value)}")
    return tuple(_convert(t, item, where, f"{path}[{i}]")
                 for i, (t, item) in enumerate(zip(types, value)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _kind(value) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return f"{_NAMES.get(type(value), type(value).__name__)} ({value!r})"
