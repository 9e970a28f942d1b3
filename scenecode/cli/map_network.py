"""Options of commands that compute something from a map by the network that made it."""

import argparse


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that say where the network of a map is, and where it runs."""
    parser.add_argument("--model", metavar="NAME",
                        help="weights that made the map (default: where they were then)")
    parser.add_argument("--device", metavar="NAME", default="auto",
                        help="auto, cpu or cuda (default %(default)s)")
