"""A conditional random field in which every pair of pixels of an image is connected
(Kraehenbuehl and Koltun 2011), with kernels of colour, depth and position (Mousavian et al.
2016, section 3.4) and compatibilities of labels that can be trained.

``crf`` has the model and its inference; ``kernels`` the exact pairwise sums, ``lattice`` the fast
ones.
"""
