"""Depth and labels by two decoders of one encoder that differ in structure and are connected: the
depth decoder's features help to label (the multi-task network of a system for urban maps)."""
