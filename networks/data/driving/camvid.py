"""CamVid (Brostow et al. 2009): 701 frames of driving video with labels, no depth.

Two forms are read, both with the ids of ``CAMVID_11`` and 11 (void).  The *folder* form has
``rgb/NAME.jpg``, ``labels/NAME.png`` and lists ``train.txt``, ``val.txt``, ``test.txt``; that of
the *SegNet tutorial* has the images of each split in ``train/``, ``val/`` and ``test/`` and their
labels in ``trainannot/``, ``valannot/`` and ``testannot/``.
"""

from pathlib import Path

from scenecode.core.errors import DataError
from scenecode.core.text_file import read_text
from scenecode.networks.classes import CAMVID_11
from scenecode.networks.data.base.stored_images import (
    ImageFile,
    StoredImages,
    images_below,
    require_images,
    require_split,
)
from scenecode.optim.geometry.camera import PinholeCamera

SPLITS = ("train", "val", "test")
#: Focal length over image width.  The data set states none for its images; this is what
#: calibrations from its videos give.
FOCAL_OVER_WIDTH = 1.02


class CamVid(StoredImages):
    """One split of CamVid; the camera is a guess, there is no depth."""

    title = "camvid"

    def __init__(self, root: str | Path, split: str, width: int, height: int):
        require_split("CamVid", split, SPLITS)
        root = Path(root)
        files = _segnet_files(root, split) if (root / f"{split}annot").is_dir() \
            else _listed_files(root, split)
        super().__init__(files, CAMVID_11, width, height)

    def camera_of(self, file: ImageFile, width: int, height: int) -> PinholeCamera:
        return PinholeCamera.centred(FOCAL_OVER_WIDTH * width, width, height)


def is_camvid(root: Path) -> bool:
    """True for a folder of one of the two forms."""
    if any((root / f"{split}annot").is_dir() for split in SPLITS):
        return True
    # names are SEQUENCE_FRAME
    return (root / "rgb").is_dir() and (root / "labels").is_dir() \
        and any(p.name[:6] in ("0001TP", "0006R0", "0016E5", "Seq05V")
                for p in (root / "rgb").iterdir())


def _listed_files(root: Path, split: str) -> list[ImageFile]:
    path = root / f"{split}.txt"
    if not path.is_file():
        raise DataError(f"{path}: no such list; CamVid has {split}.txt with one NAME a line "
                        f"beside rgb and labels, or the folders {split} and {split}annot")
    names = read_text(path).split()
    files = [ImageFile(name=name, image=root / "rgb" / f"{name}.jpg",
                       labels=root / "labels" / f"{name}.png") for name in names]
    require_images(files, path, "one NAME a line")
    return files


def _segnet_files(root: Path, split: str) -> list[ImageFile]:
    files = [ImageFile(name=image.stem, image=image,
                       labels=root / f"{split}annot" / f"{image.stem}.png")
             for image in images_below(root / split)]
    require_images(files, root / split, "NAME.png")
    return files
