"""How a town is laid out: its plan, and what fills the ground of its pieces."""
