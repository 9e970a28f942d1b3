"""A cache of rendered streets on disk, written once and read by training.

``python -m scenecode.networks.data.streets.shards --out DIR --images N --workers K`` (or
``--cluster ADDRESS``) writes it; ``rendering.shards`` says how.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from scenecode.networks.classes import CITYSCAPES_19
from scenecode.networks.data.rendering import shards as rendered
from scenecode.networks.data.streets.images import StreetsImages, ViewsConfig
from scenecode.networks.data.streets.layout.town import StreetConfig

_MODULE = "scenecode.networks.data.streets.shards"


class StreetsShards(rendered.Shards):
    """``LabelledImages`` from a folder written by ``write_shards``.

    Raises ``DataError`` for a folder without shards or with incomplete ones.
    """

    def __init__(self, folder: str | Path):
        super().__init__(folder, CITYSCAPES_19, f"python -m {_MODULE}")


def write_shards(folder: str | Path, images: int, views: ViewsConfig,
                 street: StreetConfig = StreetConfig(), workers: int = 1,
                 cluster: str | None = None) -> float:
    """Renders ``images`` images into ``folder`` as ``rendering.shards.write_shards`` does."""
    views = replace(views, streets=-(-images // views.views_per_street))
    return rendered.write_shards(folder, images, partial(StreetsImages, views, street), workers,
                                 cluster)


def main(arguments: list[str] | None = None) -> int:
    parser = rendered.argument_parser(_MODULE, "streets")
    parser.add_argument("--views-per-street", type=int, default=ViewsConfig.views_per_street)
    parser.add_argument("--first-seed", type=int, default=ViewsConfig.first_seed)
    parser.add_argument("--size", type=int, nargs=2, metavar=("W", "H"),
                        default=(ViewsConfig.width, ViewsConfig.height))
    parser.add_argument("--focal", type=float, nargs=2, metavar=("LOW", "HIGH"),
                        default=ViewsConfig.focal, help="focal length over image width")
    parser.add_argument("--supersample", type=int, default=ViewsConfig.supersample,
                        help="rays per pixel side at edges (default %(default)s)")
    options = parser.parse_args(arguments)

    def write() -> float:
        views = ViewsConfig(views_per_street=options.views_per_street,
                            first_seed=options.first_seed, width=options.size[0],
                            height=options.size[1], focal=tuple(options.focal),
                            supersample=options.supersample)
        return write_shards(options.out, options.images, views, workers=options.workers,
                            cluster=options.cluster)

    return rendered.reported(write, options)


if __name__ == "__main__":
    # other processes find the functions by the name of their module
    from scenecode.networks.data.streets import shards
    sys.exit(shards.main())
