"""Frames on disk, for sources whose images can be read in one order only."""

import tempfile
from dataclasses import dataclass, replace
from os import SEEK_END

import cv2
import numpy as np

from scenecode.core.errors import DataError, SourceError
from scenecode.core.images import image_tensor, image_to_uint8
from scenecode.slam.records.frame import Frame

#: PNG's fastest compression: about 3 ms and 90 kB a frame at network size.
_COMPRESSION = (cv2.IMWRITE_PNG_COMPRESSION, 1)


@dataclass(frozen=True)
class _Entry:
    """A frame without its image, and where in the file that is."""

    frame: Frame
    offset: int
    size: int


class KeptFrames:
    """Frames by their index; their images, lossless, in a temporary file that vanishes with the
    process.  Truth stays in memory.  Used by one thread at a time."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="scenecode-frames-")  # noqa: SIM115
        self._entries: dict[int, _Entry] = {}

    def add(self, frame: Frame) -> None:
        """Raises ``SourceError`` when the disk is full."""
        bgr = cv2.cvtColor(image_to_uint8(frame.image), cv2.COLOR_RGB2BGR)
        _, png = cv2.imencode(".png", bgr, _COMPRESSION)
        data = png.tobytes()
        try:
            offset = self._file.seek(0, SEEK_END)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise SourceError(f"cannot keep frame {frame.index} in {tempfile.gettempdir()}: "
                              f"{error.strerror or error}; make room there, set TMPDIR to another "
                              "folder, or give a folder of images, which is not kept") from error
        without_image = replace(frame, image=frame.image[:, :0, :0].clone())
        self._entries[frame.index] = _Entry(frame=without_image, offset=offset, size=len(data))

    def frame(self, index: int) -> Frame:
        """The frame of an index that was added; raises ``DataError`` when its image is damaged."""
        entry = self._entries[index]
        self._file.seek(entry.offset)
        data = self._file.read(entry.size)
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if bgr is None:
            raise DataError(f"the temporary file with frame {index} is damaged; run again")
        return replace(entry.frame, image=image_tensor(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)))

    def close(self) -> None:
        """Free the disk."""
        self._file.close()
