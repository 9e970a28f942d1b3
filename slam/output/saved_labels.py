"""Saved maps whose labels can be corrected: a map file, or a result folder."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from scenecode.core.errors import ResultError
from scenecode.networks.prediction import Predictor
from scenecode.slam.corrections.corrected_map import CorrectedMap, Corrector
from scenecode.slam.corrections.correction import Correction, CorrectionKind, CorrectionList
from scenecode.slam.corrections.editor import Place
from scenecode.slam.corrections.label_editing import LabelEditing
from scenecode.slam.fusion.map_fusion import Fusion
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile.conversion import stored_correction
from scenecode.slam.mapfile.map_file import live_map
from scenecode.slam.mapfile.network import map_config, map_network
from scenecode.slam.mapfile.storage.database import Changes, Database
from scenecode.slam.mapfile.storage.reading import load
from scenecode.slam.mapfile.storage.rows import correction_row
from scenecode.slam.mapfile.storage.schema import CORRECTIONS
from scenecode.slam.output.folder_corrections import (
    corrected,
    read_corrections,
    write_corrections,
)
from scenecode.slam.output.folder_lock import lock_folder
from scenecode.slam.output.result_folder import load_written
from scenecode.slam.output.saved_map import saved_map


class MapLabels(LabelEditing):
    """Labels of a map file: every change is in the file when the call returns.  The file is locked
    only during changes, which raise ``ResultError`` while a run writes it."""

    def __init__(self, path: Path, predictor: Predictor | None, model: str | None, device: str):
        stored = load(path)
        if predictor is None:
            predictor = map_network(stored.meta, path, model, device)
        config = map_config(stored.meta, path, device)
        loaded = live_map(stored, WorkingMemory(predictor, config.device), config.device)
        saved = saved_map(stored, path, predictor, config, dense=False)
        self._path, self._graph = path, loaded.graph
        self._numbers = saved.numbers
        self._fusion = Fusion(config.fusion, loaded.image_depths)
        self._corrector = Corrector(config.fusion)
        self._corrected = CorrectedMap(loaded.graph)
        self._shown = replace(saved.snapshot, version=0)
        self._fuse(loaded.corrections)
        super().__init__(lambda: self._shown, self._number, self._apply, loaded.corrections)

    @property
    def expressed(self) -> Mapping[int, float]:
        """By number of a correction: the share of its region that codes alone label as stated; the
        rest is overridden."""
        return self._corrected.expressed

    def _number(self, frame_index: int) -> int:
        return next(n for n in self._numbers
                    if self._graph.keyframes[n].frame_index == frame_index)

    def _apply(self, corrections: CorrectionList) -> None:
        database, _ = Database.open(self._path, load)
        try:
            database.commit(Changes(removed=[(CORRECTIONS, ())], rows=[
                (CORRECTIONS, correction_row(stored_correction(entry)))
                for entry in corrections.entries]))
        finally:
            database.close()
        self._fuse(corrections)

    def _fuse(self, corrections: CorrectionList) -> None:
        before = self._corrected
        self._corrected = self._corrector.apply(self._graph, corrections)
        self._fusion.update(self._corrected.graph, self._corrected.stated,
                            before.involved | self._corrected.involved)
        views = self._fusion.keyframe_views()
        self._shown = replace(
            self._shown, version=self._shown.version + 1, cloud=self._fusion.cloud,
            keyframes=tuple(views[number] for number in self._numbers))


class FolderLabels(LabelEditing):
    """Labels of a result folder: every correction is an override, since a folder has no codes."""

    def __init__(self, path: Path):
        self._path, self._written = path, load_written(path)
        corrections = read_corrections(path)
        self._shown = corrected(self._written, corrections)
        super().__init__(lambda: self._shown, lambda frame_index: frame_index, self._apply,
                         corrections)

    @property
    def expressed(self) -> Mapping[int, float]:
        """As of ``MapLabels``: nothing is expressed by codes."""
        return {}

    def correct(self, frame_index: int, place: Place, class_name: str, *,
                radius: float | None = None, kind: CorrectionKind = "code") -> Correction:
        """State the class of a region; an override, whatever the ``kind``."""
        return super().correct(frame_index, place, class_name, radius=radius, kind="override")

    def _apply(self, corrections: CorrectionList) -> None:
        lock = lock_folder(self._path)
        try:
            write_corrections(self._path, corrections)
        finally:
            lock.release()
        version = self._shown.version + 1
        self._shown = replace(corrected(self._written, corrections), version=version)


def open_labels(path: str | Path, predictor: Predictor | None = None, *, model: str | None = None,
                device: str = "auto") -> MapLabels | FolderLabels:
    """The labels of a map file or a result folder, to be corrected.

    Of a map file they are computed by the network that made it, as ``open_saved`` finds it.
    Raises as ``open_saved``.
    """
    path = Path(path)
    if path.is_dir():
        return FolderLabels(path)
    if not path.exists():
        raise ResultError(f"{path}: no such map file or result folder; give the --map file or the "
                          "--out folder of a run")
    return MapLabels(path, predictor, model, device)
