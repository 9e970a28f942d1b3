"""Labelled images: data sets, the rooms generator, and augmentation."""
