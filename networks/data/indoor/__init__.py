"""Data sets of rooms, in their published layouts."""
