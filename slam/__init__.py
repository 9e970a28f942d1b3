"""From frames to poses and a labelled map.

Reading order, the data's own way: sources, tracking, keyframe, mapping, graph,
fusion, snapshot, export; ``system`` runs them, ``cli`` is the command line.
"""
