"""Shipped configuration files (YAML); read them with ``importlib.resources``."""
