"""HybridNet: networks of depth and of labels, and two ways to unite them (HybridNet A1 and A2)."""
