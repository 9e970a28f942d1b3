"""Evaluation of corrections of labels with a simulated user."""
