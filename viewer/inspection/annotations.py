"""Measures, marked moments and class colours that a user adds to a map, in a file beside it."""

import json
import threading
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from scenecode.core.atomic_write import write_text
from scenecode.core.errors import ResultError
from scenecode.slam.output.result_folder import ANNOTATIONS

#: Of a result folder, and what is added to the name of a map file.
FOLDER_FILE, MAP_FILE_ENDING = ANNOTATIONS, ".annotations.json"


@dataclass(frozen=True)
class Measure:
    """A length, height, area or box that was measured."""

    number: int
    #: ``distance``, ``height``, ``area`` or ``box``
    kind: str
    name: str
    value: float
    unit: str
    #: corners in the ground frame, metres
    points: list[list[float]]


@dataclass(frozen=True)
class Mark:
    """A moment of a run with a note."""

    number: int
    frame_index: int
    timestamp: float
    note: str


@dataclass(frozen=True)
class Annotations:
    """Everything that a user added to a map."""

    measures: tuple[Measure, ...] = ()
    marks: tuple[Mark, ...] = ()
    #: [r, g, b] by class name
    colours: dict[str, list[int]] = field(default_factory=dict)


def annotations_path(path: Path) -> Path:
    """The file of the annotations of a map file or a result folder."""
    return path / FOLDER_FILE if path.is_dir() else path.with_name(path.name + MAP_FILE_ENDING)


class AnnotationBook:
    """Annotations that are written whenever they change; without a path they are lost with the
    program, with ``is_new`` what a file holds is replaced.  Any thread may call.  Raises
    ``ResultError`` for a file that is damaged or cannot be written."""

    def __init__(self, path: Path | None = None, is_new: bool = False):
        self._path = path
        self._lock = threading.Lock()
        self._current = Annotations() if path is None or is_new or not path.is_file() \
            else _read(path)

    @property
    def current(self) -> Annotations:
        return self._current

    def add_measure(self, kind: str, name: str, value: float, unit: str,
                    points: list[list[float]]) -> Measure:
        """Add a measure; without a name it gets its kind and number."""
        with self._lock:
            number = 1 + max((m.number for m in self._current.measures), default=0)
            added = Measure(number=number, kind=kind, name=name or f"{kind} {number}",
                            value=value, unit=unit, points=points)
            self._set(replace(self._current, measures=(*self._current.measures, added)))
        return added

    def rename_measure(self, number: int, name: str) -> None:
        with self._lock:
            self._set(replace(self._current, measures=tuple(
                replace(m, name=name) if m.number == number else m
                for m in self._current.measures)))

    def remove_measure(self, number: int) -> None:
        with self._lock:
            self._set(replace(self._current, measures=tuple(
                m for m in self._current.measures if m.number != number)))

    def add_mark(self, frame_index: int, timestamp: float, note: str) -> Mark:
        with self._lock:
            number = 1 + max((m.number for m in self._current.marks), default=0)
            added = Mark(number=number, frame_index=frame_index, timestamp=timestamp, note=note)
            self._set(replace(self._current, marks=(*self._current.marks, added)))
        return added

    def set_colour(self, name: str, colour: list[int] | None) -> None:
        """The colour of a class; None for that of its class set."""
        with self._lock:
            colours = {k: v for k, v in self._current.colours.items() if k != name}
            if colour is not None:
                colours[name] = colour
            self._set(replace(self._current, colours=colours))

    def _set(self, changed: Annotations) -> None:
        self._current = changed
        if self._path is not None:
            write_text(self._path, json.dumps(asdict(changed), indent=1) + "\n")


def _read(path: Path) -> Annotations:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Annotations(measures=tuple(Measure(**m) for m in data["measures"]),
                           marks=tuple(Mark(**m) for m in data["marks"]),
                           colours={str(k): [int(c) for c in v]
                                    for k, v in data["colours"].items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ResultError(f"{path}: not a file of annotations ({error}); remove it to start "
                          "without any") from error
