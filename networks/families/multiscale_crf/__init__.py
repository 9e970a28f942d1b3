"""A multi-scale network of labels and depth with a dense conditional random field (Mousavian et
al. 2016)."""
