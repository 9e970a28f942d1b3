"""A cache of rendered rooms on disk, written once and read by training.

``python -m scenecode.networks.data.rooms.shards --out DIR --images N --workers K`` (or ``--cluster
ADDRESS``) writes it; ``rendering.shards`` says how.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from scenecode.networks.classes import NYU13
from scenecode.networks.data.rendering import shards as rendered
from scenecode.networks.data.rooms.images import RoomsImages, ViewsConfig
from scenecode.networks.data.rooms.layout import RoomConfig

_MODULE = "scenecode.networks.data.rooms.shards"


class RoomsShards(rendered.Shards):
    """``LabelledImages`` from a folder written by ``write_shards``.

    Raises ``DataError`` for a folder without shards or with incomplete ones.
    """

    def __init__(self, folder: str | Path):
        super().__init__(folder, NYU13, f"python -m {_MODULE}")


def write_shards(folder: str | Path, images: int, views: ViewsConfig, room: RoomConfig,
                 workers: int = 1, cluster: str | None = None) -> float:
    """Renders ``images`` images into ``folder`` as ``rendering.shards.write_shards`` does."""
    views = replace(views, rooms=-(-images // views.views_per_room))
    return rendered.write_shards(folder, images, partial(RoomsImages, views, room), workers,
                                 cluster)


def main(arguments: list[str] | None = None) -> int:
    parser = rendered.argument_parser(_MODULE, "rooms")
    parser.add_argument("--views-per-room", type=int, default=ViewsConfig.views_per_room)
    parser.add_argument("--first-seed", type=int, default=ViewsConfig.first_seed)
    parser.add_argument("--size", type=int, nargs=2, metavar=("W", "H"),
                        default=(ViewsConfig.width, ViewsConfig.height))
    parser.add_argument("--focal", type=float, nargs=2, metavar=("LOW", "HIGH"),
                        default=ViewsConfig.focal, help="focal length over image width")
    parser.add_argument("--textures", help="folder of texture tiles in sub-folders by material")
    parser.add_argument("--meshes", help="folder of .glb models named by what they are")
    options = parser.parse_args(arguments)

    def write() -> float:
        views = ViewsConfig(views_per_room=options.views_per_room, first_seed=options.first_seed,
                            width=options.size[0], height=options.size[1],
                            focal=tuple(options.focal))
        room = RoomConfig(textures=options.textures, meshes=options.meshes)
        return write_shards(options.out, options.images, views, room, options.workers,
                            options.cluster)

    return rendered.reported(write, options)


if __name__ == "__main__":
    # other processes find the functions by the name of their module
    from scenecode.networks.data.rooms import shards
    sys.exit(shards.main())
