"""Procedural streets: a driving camera in a town with traffic, and the truth of what it sees.

``Town(seed)`` is a town without end in Cityscapes' 19 classes, ``drive`` the poses of a camera
that is driven through it, ``Traffic`` who else moves, and ``render`` image, depth and labels.
"""

from scenecode.networks.data.streets.drive import Drive, DriveConfig, drive
from scenecode.networks.data.streets.images import StreetsImages, ViewsConfig
from scenecode.networks.data.streets.layout.town import StreetConfig, Town
from scenecode.networks.data.streets.render import StreetView, render
from scenecode.networks.data.streets.traffic import Traffic

__all__ = ["Drive", "DriveConfig", "StreetConfig", "StreetView", "StreetsImages", "Town",
           "Traffic", "ViewsConfig", "drive", "render"]
