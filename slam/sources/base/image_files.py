"""The image files of a folder."""

import re
from pathlib import Path

#: File name endings of images.
IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})


def is_image(path: Path) -> bool:
    """True for the name of an image that is not hidden."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder, hidden ones left out, in natural order."""
    return sorted((p for p in folder.iterdir() if is_image(p) and p.is_file()), key=natural_key)


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sorts digits as numbers, before letters."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.lower())
            for part in re.split(r"(\d+)", path.name) if part]
