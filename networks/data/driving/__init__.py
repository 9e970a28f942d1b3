"""Data sets of roads, in their published layouts."""
