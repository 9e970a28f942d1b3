"""Geometry and least squares in pure torch: no files, no threads, no networks.

Conventions, used by every package of the project:

* ``T_a_b`` is a (..., 4, 4) rigid transform that maps points in frame ``b`` to
  frame ``a``: ``x_a = T_a_b x_b``.  Poses are stored as ``T_world_cam``.
* Tangent vectors are (..., 6), translation first, rotation second.  Updates act
  on the right: ``retract(T, xi) = T exp(xi)``, i.e. in the camera's own frame.
* Pixel centres are at integer coordinates; the top-left centre is (0, 0).
  Pixels are (u, v) = (column, row).
* Depth is z in metres; images are float in [0, 1], shaped (B, C, H, W) or (C, H, W).
* A derivative is named ``value_J_parameter`` and is shaped (..., value, parameter).
"""
