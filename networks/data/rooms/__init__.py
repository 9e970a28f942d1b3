"""Procedural furnished rooms: geometry, appearance, camera paths, and rendering.

``generate_room(seed)`` gives a closed room of NYUv2's 13 classes, ``render`` its image,
exact depth and labels from a pose, ``hand_held_path`` a smooth camera path through it.
Shading belongs to the surfaces, so a point looks the same from everywhere.
"""

from scenecode.networks.data.rendering.effects import EffectsConfig, camera_effects
from scenecode.networks.data.rendering.shading import View
from scenecode.networks.data.rooms.images import RoomsImages, ViewsConfig
from scenecode.networks.data.rooms.layout import Room, RoomConfig, generate_room
from scenecode.networks.data.rooms.paths import PathConfig, hand_held_path, random_view
from scenecode.networks.data.rooms.render import render

__all__ = ["EffectsConfig", "PathConfig", "Room", "RoomConfig", "RoomsImages", "View",
           "ViewsConfig", "camera_effects", "generate_room", "hand_held_path", "random_view",
           "render"]
