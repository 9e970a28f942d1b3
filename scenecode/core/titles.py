"""A row of titles above pictures."""

from collections.abc import Sequence

import cv2
import numpy as np

#: Height of a row of titles in pixels, and their type.
TITLE_HEIGHT, FONT, FONT_SCALE = 24, cv2.FONT_HERSHEY_SIMPLEX, 0.42


def title_row(titles: Sequence[str], width: int) -> np.ndarray:
    """(TITLE_HEIGHT, width * N, 3) uint8: N titles, black on white, each ``width`` pixels wide."""
    row = np.full((TITLE_HEIGHT, width * len(titles), 3), 255, np.uint8)
    for i, title in enumerate(titles):
        cv2.putText(row, title, (i * width + 4, TITLE_HEIGHT - 8), FONT, FONT_SCALE, (0, 0, 0), 1,
                    cv2.LINE_AA)
    return row
