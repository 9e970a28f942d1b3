"""A saved map in the files of other programs.

``formats.FORMATS`` names the formats, ``export.export`` writes one; docs/export.md describes them.
Every format keeps the world frame and the poses of the map, metres and seconds; what a format
demands beyond that (axes of its cameras, where a pixel's centre is, which way is up) is stated in
its module and in the documentation.
"""
