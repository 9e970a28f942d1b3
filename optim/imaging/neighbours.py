"""Pixels and their neighbours at an offset, as regions of an image."""

#: Rows and columns of an image.
Region = tuple[slice, slice]


def neighbour_regions(rows: int, columns: int) -> tuple[Region, Region]:
    """All pixels that have a neighbour so many rows and columns further, and those neighbours."""
    (a_rows, b_rows), (a_columns, b_columns) = _along(rows), _along(columns)
    return (a_rows, a_columns), (b_rows, b_columns)


def _along(offset: int) -> tuple[slice, slice]:
    first, last = slice(None, -abs(offset) or None), slice(abs(offset), None)
    return (first, last) if offset >= 0 else (last, first)
