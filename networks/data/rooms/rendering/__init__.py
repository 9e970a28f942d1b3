"""Visibility and static light of a room."""
