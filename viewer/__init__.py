"""Shows snapshots of the map; never touches the live state.

``base`` defines the interface of a viewer, ``live`` feeds one from a running system, ``replay``
from a result folder, ``web`` is the standard viewer: a local web page.
"""
