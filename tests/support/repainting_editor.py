"""A label editor that is simple to predict: a correction of a pixel gives its class another name
everywhere."""

from dataclasses import replace

import numpy as np

from scenecode.core.errors import CorrectionError
from scenecode.slam.corrections.correction import Correction, CorrectionKind, CorrectionList
from scenecode.slam.corrections.editor import Place
from scenecode.slam.corrections.regions import Region
from scenecode.slam.records.snapshot import FusedCloud, Snapshot


class RepaintingEditor:
    """Implements ``LabelEditor`` on a snapshot."""

    def __init__(self, snapshot: Snapshot):
        self._first = self.snapshot = snapshot
        self._list = CorrectionList()

    @property
    def corrections(self) -> tuple[Correction, ...]:
        return self._list.entries

    def frame_index_of(self, correction: Correction) -> int:
        return correction.keyframe

    def region(self, frame_index: int, place: Place, radius: float | None = None) -> np.ndarray:
        labels = self._view(frame_index).labels
        height, width = labels.shape
        if np.ndim(place[0]):
            return Region.polygon(place, width, height).mask
        if radius is not None:
            return Region.disc(place, radius, width, height).mask
        return labels == labels[int(place[1]), int(place[0])]

    def correct(self, frame_index: int, place: Place, class_name: str, *,
                radius: float | None = None, kind: CorrectionKind = "code") -> Correction:
        mask = self.region(frame_index, place, radius)
        if not mask.any():
            raise CorrectionError("the region is empty; click inside the image")
        made = Correction(number=0, keyframe=frame_index, region=Region.of_mask(mask),
                          label=self.snapshot.classes.names.index(class_name), kind=kind)
        self._list = self._list.add(made)
        self._repaint()
        return self._list.entries[-1]

    def undo(self) -> Correction:
        return self._take(self._list.undo())

    def redo(self) -> Correction:
        return self._take(self._list.redo())

    def remove(self, number: int) -> Correction:
        return self._take(self._list.remove(number))

    def _take(self, change: tuple[CorrectionList, Correction]) -> Correction:
        self._list, changed = change
        self._repaint()
        return changed

    def _view(self, frame_index: int):
        return next(v for v in self.snapshot.keyframes if v.frame_index == frame_index)

    def _repaint(self) -> None:
        names = np.arange(256, dtype=np.uint8)
        for entry in self._list.active:
            view = next(v for v in self._first.keyframes if v.frame_index == entry.keyframe)
            names[np.bincount(view.labels[entry.region.mask]).argmax()] = entry.label
        views = tuple(replace(view, maps=replace(view.maps, labels=names[view.maps.labels]))
                      for view in self._first.keyframes)
        cloud = FusedCloud({key: replace(chunk, labels=names[chunk.labels])
                            for key, chunk in self._first.cloud.chunks.items()})
        self.snapshot = replace(self._first, version=self.snapshot.version + 1, keyframes=views,
                                cloud=cloud)
