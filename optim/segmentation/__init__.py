"""Superpixels, their boundaries as polygons, and planes through them.

Modules of this package import numba, which takes some tenths of a second: import them where they
are used.

Lattice: corners of pixels at integers, (0, 0) the upper left corner of the image, so that the
centre of the pixel in row v and column u is at (u + 0.5, v + 0.5).
"""
