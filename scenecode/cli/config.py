"""``scenecode config``, and the options by which every command takes settings."""

import argparse

from scenecode.cli.networks.fitting import with_model_size
from scenecode.core import shipped
from scenecode.core.device import choose_device
from scenecode.slam.config.files import changed, config_text, load_config
from scenecode.slam.config.slam_config import SlamConfig

EXAMPLES = """examples:
  scenecode config                                  basic settings with their defaults
  scenecode config --all                            every setting
  scenecode config --set mapping.window=8 > my.yaml  to be given to run --config my.yaml"""


def add_setting_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that name settings, as ``resolved_config`` reads them."""
    parser.add_argument("--config", metavar="FILE", help="YAML file with settings to change, or "
                        "the name of a shipped one: base, live")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="change one setting, for example mapping.window=8")
    parser.add_argument("--model", metavar="NAME", help="a shipped name ('scenecode "
                        "models'), a file of weights, or two as DEPTH+LABELS")
    parser.add_argument("--dynamic", choices=("keep", "mask"), help="mask: leave people and "
                        "vehicles out of tracking and map (default keep)")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu or cuda (default auto)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``scenecode config``."""
    add_setting_arguments(parser)
    parser.add_argument("--all", action="store_true",
                        help="print every setting, not the basic and the changed ones alone")


def requested_config(args: argparse.Namespace) -> SlamConfig:
    """The defaults, changed by ``--config``, ``--set``, ``--model``, ``--dynamic`` and
    ``--device`` in turn."""
    config = SlamConfig()
    if args.config:
        config = load_config(shipped.find_config(args.config), args.config)
    for assignment in args.set:
        config = changed(config, assignment)
    if args.model:
        config = with_model_size(changed(config, f"model={args.model}"), args)
    if args.dynamic:
        config = changed(config, f"dynamic={args.dynamic}")
    return changed(config, f"device={args.device}") if args.device else config


def resolved_config(args: argparse.Namespace) -> SlamConfig:
    """``requested_config`` with the device that ``auto`` stands for on this machine."""
    config = requested_config(args)
    return changed(config, f"device={choose_device(config.device)}")


def main(args: argparse.Namespace) -> int:
    """Print the configuration, so that ``--config`` reads it back on any machine."""
    resolved_config(args)  # an unknown device is an error here too
    print(config_text(requested_config(args), args.all), end="")
    return 0
