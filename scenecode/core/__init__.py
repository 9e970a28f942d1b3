"""What every other package may rest on: errors, strict configurations, files that appear whole,
the choice of a device, colour maps, and where the shipped files are."""
