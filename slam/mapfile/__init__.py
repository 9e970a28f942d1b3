"""One file for a whole map: keyframes, landmarks, links, loops and the pose of every frame.

``map_file`` is the file that a run keeps up to date, ``conversion`` alone knows the live map and
the records of ``storage``; ``editing`` and ``merging`` make parts and unions of maps.
docs/mapfile.md describes the format.
"""
