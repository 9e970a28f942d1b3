"""Whatever documentation, configurations, docstrings and comments name exists: files, modules and
their members, commands with their options, settings, links."""

import ast
import io
import re
import shlex
import tokenize
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from scenecode.cli.main import COMMANDS, Group, build_parser
from scenecode.core.strict_config import to_mapping
from scenecode.networks.families.registry import FAMILIES, find_family
from scenecode.networks.training.config import TrainConfig
from scenecode.slam.config.slam_config import SlamConfig

ROOT = Path(__file__).parent.parent
FOLDERS = ("scenecode", "optim", "networks", "slam", "viewer", "configs", "tests")
#: Parts of the package, as they are named without ``scenecode`` in front.
PARTS = "core|cli|optim|networks|slam|viewer"

FILE = re.compile(r"[\w./-]*/[\w.-]+\.(?:py|md|yaml|toml)\b")
#: ``scenecode.x.y`` anywhere, ``x.y`` in code style.
FULL_NAME = re.compile(r"(?<![\w./-])scenecode((?:\.\w+)+)")
SHORT_NAME = re.compile(rf"`((?:{PARTS})(?:\.\w+)+)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
SPAN = re.compile(r"(?<!`)`(scenecode [^`]+)`(?!`)")
FENCE = re.compile(r"^ *```sh\n(.*?)^ *```", re.S | re.M)


def documents():
    return [path for path in sorted(ROOT.rglob("*.md"))
            if not any(part.startswith(".") or part in ("build", "dist", "runs", "out", "tables")
                       for part in path.relative_to(ROOT).parts)]


def prose_of_python(source):
    """Docstrings, other texts and comments."""
    nodes = ast.walk(ast.parse(source))
    texts = [node.value for node in nodes
             if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return "\n".join([*texts, *(t.string for t in tokens if t.type == tokenize.COMMENT)])


def texts():
    """Every file whose words are checked, with those words."""
    for path in documents():
        yield path, path.read_text(encoding="utf-8")
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.yaml")):
            yield path, path.read_text(encoding="utf-8")
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path != Path(__file__):
                yield path, prose_of_python(path.read_text(encoding="utf-8"))


TEXTS = dict(texts())


def file_exists(name, mentioned_in):
    return any((folder / name).exists() for folder in (ROOT, mentioned_in.parent))


def exists(name):
    """Whether ``scenecode.x.y`` is a module, or a member of one down to two levels."""
    parts = name.split(".")
    for length in (len(parts), len(parts) - 1, len(parts) - 2):
        try:
            if length < 1 or find_spec(".".join(parts[:length])) is None:
                continue
        except ModuleNotFoundError:
            continue
        value = import_module(".".join(parts[:length]))
        for part in parts[length:]:
            fields = getattr(value, "__dataclass_fields__", {})
            if not hasattr(value, part) and part not in fields:
                return False
            value = getattr(value, part, None)
        return True
    return False


def command_lines(text):
    """Words of every complete ``scenecode`` command line in a document."""
    for block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if "scenecode" in words:
                yield words[words.index("scenecode") + 1:]


def keys(mapping, prefix=""):
    """Dotted keys of a nested configuration."""
    for name, value in mapping.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{name}.")


def test_files_that_are_named_exist():
    missing = [f"{path.relative_to(ROOT)}: {name}" for path, text in TEXTS.items()
               if "tests" not in path.relative_to(ROOT).parts
               for name in FILE.findall(text)
               if name.split("/")[0] in {*FOLDERS, "docs", ".ci"} and not file_exists(name, path)]
    assert not missing, "\n".join(missing)


def test_modules_and_members_that_are_named_exist():
    names = {(path.relative_to(ROOT), f"scenecode{rest}") for path, text in TEXTS.items()
             for rest in FULL_NAME.findall(text)}
    names |= {(path.relative_to(ROOT), f"scenecode.{name}") for path, text in TEXTS.items()
              for name in SHORT_NAME.findall(text)}
    assert len(names) > 50
    missing = [f"{path}: {name}" for path, name in sorted(names) if not exists(name)]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path):
    missing = [link for link in LINK.findall(path.read_text(encoding="utf-8"))
               if not (path.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("path", [path for path in documents()
                                  if list(command_lines(TEXTS[path]))],
                         ids=lambda path: str(path.relative_to(ROOT)))
def test_command_lines_have_the_options_that_they_use(path):
    for words in command_lines(TEXTS[path]):
        try:
            build_parser(words).parse_args(words)
        except SystemExit as refused:
            assert refused.code == 0, "scenecode " + shlex.join(words)


def test_commands_that_are_named_in_a_sentence_exist():
    missing = []
    for path, text in TEXTS.items():
        for span in SPAN.findall(text):
            first, *rest = span.split()[1:]
            entry = COMMANDS.get(first)
            known = first.startswith("-") or first == "COMMAND" or entry is not None
            if isinstance(entry, Group):
                known = not rest or rest[0] in entry.commands
            if not known:
                missing.append(f"{path.relative_to(ROOT)}: {span}")
    assert not missing, "\n".join(missing)


def test_settings_that_are_changed_exist():
    families = [find_family(name) for name in FAMILIES]
    trained = [TrainConfig(model=f.config_type(), loss=f.loss_type()) for f in families]
    known = {key for config in (SlamConfig(), *trained) for key in keys(to_mapping(config))}
    missing = [f"{path.relative_to(ROOT)}: {key}" for path in documents()
               for key in re.findall(r"--set ([\w.]+)=", TEXTS[path]) if key not in known]
    assert not missing, "\n".join(missing)


def test_what_does_not_exist_is_caught():
    assert exists("scenecode.slam.system.System.track") and exists("scenecode.System")
    assert not exists("scenecode.slam.export") and not exists("scenecode.slam.system.Sytem")
    assert not file_exists("slam/none.py", ROOT / "README.md")
    assert list(command_lines("```sh\nscenecode run 0 \\\n    --view   # live\n```\n")) == [
        ["run", "0", "--view"]]
