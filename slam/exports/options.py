"""What can be chosen about an export."""

from dataclasses import dataclass
from typing import Literal, get_args

#: Colours of surfaces: of their class, or as in the images.
Colours = Literal["class", "image"]
COLOURS: tuple[Colours, ...] = get_args(Colours)


@dataclass(frozen=True)
class ExportOptions:
    """Each is for some formats only, which say so."""

    #: ``ply``: also the probability of every class at every point
    probabilities: bool = False
    #: ``glb``, ``polygons-glb`` and ``obj``
    colours: Colours = "class"
    #: ``floorplan``: edge of a cell, metres
    resolution: float = 0.05
