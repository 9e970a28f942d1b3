"""Experiments that train several SceneCode networks and compare them."""
