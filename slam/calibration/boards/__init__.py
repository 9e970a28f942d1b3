"""Cameras measured by a printed board: checkerboard, ChArUco or AprilGrid."""
