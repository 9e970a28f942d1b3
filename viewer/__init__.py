"""Shows snapshots of the map; never touches the live state.

``base`` defines the interface of a viewer, ``live`` feeds one from a running system, ``replay``
shows a saved map, ``web`` is the standard viewer: a local web page.  ``inspection`` answers what
is asked of a map, ``transport`` packs it, ``page`` is what the browser loads.
"""
