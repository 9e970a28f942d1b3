"""Polygon maps: superpixels of keyframes as labelled planar polygons in the world.

Section III of "Twins" (seeds of SNIC with labels, polygons, planes in disparity, a road by RANSAC,
projection).  Import these modules, but for ``of_map``, where they are used: they load numba.
"""
