"""Depth as a class of every pixel: a network for semantic segmentation whose classes are
intervals of depth."""
