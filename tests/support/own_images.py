"""A folder of images of one's own, as docs/training.md lays it out."""

from pathlib import Path

import cv2
import numpy as np
import yaml

from scenecode.networks.classes import VOID

WIDTH, HEIGHT = 80, 40
#: Of the left and of the right half of each image.
CLASSES = [{"id": 0, "name": "wall", "colour": [249, 139, 0]},
           {"id": 1, "name": "door", "colour": [0, 9, 255]}]


def write_own_images(root: Path) -> Path:
    """Two images, ``a`` and ``b``: red left of the middle, blue right of it; 1.5 m and 3 m;
    wall and door, the first two columns unlabelled."""
    for kind in ("rgb", "depth", "labels"):
        (root / kind).mkdir()
    left = np.arange(WIDTH) < WIDTH // 2
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, left, 2], image[:, ~left, 0] = 255, 255
    depth = np.where(left, 1500, 3000).astype(np.uint16)
    labels = np.where(left, 0, 1).astype(np.uint8)
    labels[:2] = VOID
    for name, ending in (("a", ".png"), ("b", ".jpg")):
        cv2.imwrite(str(root / "rgb" / (name + ending)), image)
        for kind, row in (("depth", depth), ("labels", labels)):
            cv2.imwrite(str(root / kind / f"{name}.png"), np.tile(row, (HEIGHT, 1)))
    (root / "classes.yaml").write_text(yaml.safe_dump(CLASSES))
    (root / "camera.txt").write_text("# measured by hand\n60 60 39.5 19.5  80 40\n")
    (root / "train.txt").write_text("a\nb\n")
    (root / "val.txt").write_text("b\n\n")
    return root
