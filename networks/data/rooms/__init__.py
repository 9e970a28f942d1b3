"""Procedural furnished rooms: geometry, appearance, camera paths, and rendering."""
