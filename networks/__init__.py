"""Networks that turn one image into depth and labels, with their data and training."""
