"""One file for a whole map: keyframes, landmarks, links, loops and the pose of every frame.

``records`` are what a file holds, ``rows`` how a record becomes a row, ``schema`` the tables and
their migrations, ``database`` the SQLite file, ``reading`` the checked way back; ``conversion``
alone knows the live map.  docs/mapfile.md describes the format.
"""
