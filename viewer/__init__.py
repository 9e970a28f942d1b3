"""Shows snapshots of the map; never touches the live state.

``base`` says what a viewer is, ``live`` feeds one from a running system, ``replay``
from a result folder, ``web`` is the viewer that is always there: a local web page.
"""
