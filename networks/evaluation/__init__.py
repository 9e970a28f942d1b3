"""Scores, calibration, pictures and speed of networks of any family."""
