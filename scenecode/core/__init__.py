"""The ground floor: errors, strict configurations, atomic writes, text and image files, the
console, the choice of a device, colour maps, and where the shipped files are."""
