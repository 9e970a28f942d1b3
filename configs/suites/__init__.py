"""Shipped lists of sequences for ``scenecode evaluate sequence --suite``."""
