"""What readers of data sets on disk share: image files to samples, depth units, label sets."""
