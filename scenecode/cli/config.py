"""``scenecode config``, and the options by which every command takes settings."""

import argparse
from pathlib import Path

from scenecode.core import shipped
from scenecode.core.device import choose_device
from scenecode.core.strict_config import from_mapping, load_yaml, override, to_yaml
from scenecode.slam.config.slam_config import SlamConfig

EXAMPLES = """examples:
  scenecode config                                  every key with its default
  scenecode config --set mapping.window=8 > my.yaml  to be given to run --config my.yaml"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that name settings, as ``resolved_config`` reads them."""
    parser.add_argument("--config", metavar="FILE", help="YAML file with settings to change, or "
                        "the name of a shipped one: base, live")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="change one setting, for example mapping.window=8")
    parser.add_argument("--model", metavar="NAME", help="weights: a shipped name or a file")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu or cuda (default auto)")


def resolved_config(args: argparse.Namespace) -> SlamConfig:
    """The defaults, changed by ``--config``, ``--set``, ``--model`` and ``--device`` in turn."""
    config = SlamConfig()
    if args.config:
        config = from_mapping(SlamConfig, load_yaml(_find_config(args.config)), args.config)
    for assignment in args.set:
        config = override(config, assignment)
    if args.model:
        config = override(config, f"model={args.model}")
    device = choose_device(args.device or config.device)
    return override(config, f"device={device}")


def main(args: argparse.Namespace) -> int:
    """Print the resolved configuration."""
    print(to_yaml(resolved_config(args)), end="")
    return 0


def _find_config(name: str) -> Path:
    """A path as it is, or the configuration of that name that comes with the package."""
    file = shipped.CONFIGS / f"{name}.yaml"
    return file if not Path(name).exists() and file.is_file() else Path(name)
