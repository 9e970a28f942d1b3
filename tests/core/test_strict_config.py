from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

import pytest

from scenecode.core.errors import ConfigError
from scenecode.core.strict_config import (
    Removed,
    from_mapping,
    load_yaml,
    override,
    to_mapping,
)


class Shape(Enum):
    ROUND = "round"
    FLAT = "flat"


@dataclass(frozen=True)
class Inner:
    rate: float = field(default=1e-3, metadata={"unit": "1/s", "basic": True})
    size: tuple[int, int] = (256, 192)
    names: tuple[str, ...] = ()
    shape: Shape = Shape.ROUND


@dataclass(frozen=True)
class Outer:
    epochs: int = 3
    mode: Literal["fast", "slow"] = "fast"
    note: str | None = None
    flip: bool = True
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self):
        if self.epochs < 0:
            raise ValueError(f"epochs must not be negative, got {self.epochs}")


def test_values_are_read_and_the_rest_keeps_its_default():
    config = from_mapping(Outer, {"epochs": 7, "inner": {"rate": 2, "names": ["a", "b"]}})
    assert config == Outer(epochs=7, inner=Inner(rate=2.0, names=("a", "b")))
    assert isinstance(config.inner.rate, float)


def test_unknown_key_names_file_key_and_nearest():
    with pytest.raises(ConfigError, match=r"x\.yaml: unknown key 'epoch'; did you mean epochs"):
        from_mapping(Outer, {"epoch": 7}, "x.yaml")
    with pytest.raises(ConfigError, match=r"'inner\.zzzz'; valid: rate, size, names, shape"):
        from_mapping(Outer, {"inner": {"zzzz": 7}})


@pytest.mark.parametrize("mapping, message", [
    ({"epochs": "many"}, "'epochs' must be a whole number"),
    ({"epochs": 1.5}, "'epochs' must be a whole number"),
    ({"epochs": True}, "'epochs' must be a whole number"),
    ({"flip": 1}, "'flip' must be true or false"),
    ({"mode": "quick"}, "must be one of fast, slow"),
    ({"inner": {"size": [1, 2, 3]}}, "'inner.size' needs 2 entries"),
    ({"inner": {"size": [1, "x"]}}, r"'inner.size\[1\]' must be a whole number"),
    ({"inner": {"shape": "square"}}, "'inner.shape' must be one of round, flat; got 'square'"),
    ({"inner": 4}, "'inner' must hold keys"),
    ({"epochs": -1}, "must not be negative"),
])
def test_a_wrong_value_is_named(mapping, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(Outer, mapping)


def test_mapping_round_trip_through_a_file(tmp_path):
    import yaml
    config = Outer(epochs=9, note="x", inner=Inner(size=(4, 5), shape=Shape.FLAT))
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(to_mapping(config)))
    assert from_mapping(Outer, load_yaml(path), str(path)) == config


def test_yaml_scientific_notation_is_a_number(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("inner:\n  rate: 1e-4\n")
    assert from_mapping(Outer, load_yaml(path)).inner.rate == 1e-4


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="gone.yaml: cannot read"):
        load_yaml(tmp_path / "gone.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match="bad.yaml: not valid YAML"):
        load_yaml(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="list.yaml: expected"):
        load_yaml(tmp_path / "list.yaml")


def test_a_file_may_change_a_few_keys_of_another(tmp_path):
    (tmp_path / "base.yaml").write_text("epochs: 4\nnote: kept\ninner:\n  rate: 0.5\n")
    (tmp_path / "more.yaml").write_text("extends: base.yaml\nepochs: 9\ninner:\n  size: [3, 2]\n")
    config = from_mapping(Outer, load_yaml(tmp_path / "more.yaml"))
    assert config == Outer(epochs=9, note="kept", inner=Inner(rate=0.5, size=(3, 2)))


def test_a_file_that_cannot_be_extended_is_named(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("extends: gone.yaml\n")
    with pytest.raises(ConfigError, match="gone.yaml: cannot read"):
        load_yaml(path)
    path.write_text("extends: c.yaml\n")
    with pytest.raises(ConfigError, match="c.yaml: extends itself"):
        load_yaml(path)
    path.write_text("extends: 3\n")
    with pytest.raises(ConfigError, match="'extends' must name a file; got a whole number"):
        load_yaml(path)


def test_override_changes_one_key():
    assert override(Outer(), "inner.size=[8, 6]").inner.size == (8, 6)
    assert override(Outer(), "note=hello") == Outer(note="hello")
    assert override(Outer(note="x"), "note=").note is None


@pytest.mark.parametrize("assignment, message", [
    ("epochs", "expected key=value"), ("epoch=3", "did you mean epochs"),
    ("inner.rat=3", r"'inner.rat'; did you mean rate"), ("epochs.x=3", "single value"),
    ("epochs=abc", "whole number"), ("epochs=-2", "must not be negative"),
])
def test_override_rejects(assignment, message):
    with pytest.raises(ConfigError, match=message):
        override(Outer(), assignment)


#: A key that moved, a group that was renamed, a key of it with a name of its own, a key that left.
RENAMED = {"turns": "epochs", "inside": "inner", "inside.pace": "inner.rate",
           "inner.colour": Removed("the colours are fixed")}


def test_keys_of_an_earlier_version_are_answered_with_the_new_ones_all_at_once():
    old = {"turns": 3, "flip": False, "inside": {"pace": 2, "size": [4, 3]},
           "inner": {"colour": "red"}}
    with pytest.raises(ConfigError) as error:
        from_mapping(Outer, old, "old.yaml", RENAMED)
    assert str(error.value) == (
        "old.yaml:\n  'turns' is now 'epochs'\n  'inside.pace' is now 'inner.rate'\n"
        "  'inside.size' is now 'inner.size'\n"
        "  'inner.colour' no longer exists: the colours are fixed")


@pytest.mark.parametrize("assignment, message", [
    ("turns=3", "--set turns=3: 'turns' is now 'epochs'"),
    ("inside.pace=3", "'inside.pace' is now 'inner.rate'"),
    ("inside.size=[4, 3]", "'inside.size' is now 'inner.size'"),
    ("inner.colour=red", "no longer exists: the colours are fixed"),
])
def test_an_override_of_an_old_key_is_answered_with_the_new_one(assignment, message):
    with pytest.raises(ConfigError, match=message):
        override(Outer(), assignment, RENAMED)


def test_new_keys_are_read_where_others_are_renamed():
    config = from_mapping(Outer, {"epochs": 4, "inner": {"rate": 2}}, "new.yaml", RENAMED)
    assert override(config, "inner.shape=flat", RENAMED) == Outer(
        epochs=4, inner=Inner(rate=2.0, shape=Shape.FLAT))


@dataclass(frozen=True)
class Checked:
    size: int = 1

    def __post_init__(self):
        if self.size < 1:
            raise ConfigError(f"size must be positive, got {self.size}")


@dataclass(frozen=True)
class Variable:
    """``part`` is of a type that its reader decides."""

    part: object = None
    count: int = 0


def test_what_a_configuration_itself_refuses_is_reported_with_the_file():
    with pytest.raises(ConfigError, match="c.yaml: size must be positive, got 0"):
        from_mapping(Checked, {"size": 0}, "c.yaml")
    with pytest.raises(ConfigError, match="--set size=-1: size must be positive"):
        override(Checked(), "size=-1")


def test_a_field_may_have_a_type_that_its_reader_decides():
    read = from_mapping(Variable, {"part": {"size": 3}}, "c.yaml", types={"part": Checked})
    assert read == Variable(part=Checked(size=3))
    assert override(read, "part.size=4").part == Checked(size=4)
    with pytest.raises(ConfigError, match="unknown key 'part.sise'; did you mean size"):
        from_mapping(Variable, {"part": {"sise": 3}}, "c.yaml", types={"part": Checked})
