"""A correction of labels, and the list of those of a map."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from scenecode.core.errors import CorrectionError
from scenecode.slam.corrections.regions import Region

#: ``code``: evidence on semantic codes; ``override``: the pixels themselves, whatever codes say.
CorrectionKind = Literal["code", "override"]
KINDS: tuple[CorrectionKind, ...] = get_args(CorrectionKind)


@dataclass(frozen=True)
class Correction:
    """The class of a region of one keyframe, as a user states it."""

    #: identifies it in its list, from 1
    number: int
    #: number of the keyframe in the map's graph; its frame index in a result folder
    keyframe: int
    region: Region
    #: id in the map's label set
    label: int
    kind: CorrectionKind = "code"
    #: of its label factor: the independent measurements that the region counts as
    weight: float = 18.0
    #: whether it counts, or was undone
    active: bool = True
    #: seconds since 1970
    timestamp: float = 0.0


@dataclass(frozen=True)
class CorrectionList:
    """The corrections of a map, oldest first; every change gives a new list."""

    entries: tuple[Correction, ...] = ()

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def active(self) -> tuple[Correction, ...]:
        """Those that count."""
        return tuple(entry for entry in self.entries if entry.active)

    def add(self, correction: Correction) -> "CorrectionList":
        """With one more, which gets the next number; undone ones are forgotten."""
        number = 1 + max((entry.number for entry in self.entries), default=0)
        return CorrectionList((*self.active, replace(correction, number=number, active=True)))

    def undo(self) -> tuple["CorrectionList", Correction]:
        """Without the last one that counts, and that one; raises ``CorrectionError`` when there
        is none."""
        if not self.active:
            raise CorrectionError("there is no correction to undo")
        return self._with(replace(self.active[-1], active=False))

    def redo(self) -> tuple["CorrectionList", Correction]:
        """With the one that was undone last, and that one; raises ``CorrectionError`` when there
        is none."""
        undone = [entry for entry in self.entries if not entry.active]
        if not undone:
            raise CorrectionError("there is no correction to redo; a new one forgets those that "
                                  "were undone")
        return self._with(replace(undone[0], active=True))

    def remove(self, number: int) -> tuple["CorrectionList", Correction]:
        """Without the one of a number, and that one; raises ``CorrectionError`` for another
        number."""
        for entry in self.entries:
            if entry.number == number:
                return CorrectionList(tuple(e for e in self.entries if e is not entry)), entry
        known = ", ".join(str(entry.number) for entry in self.entries) or "none"
        raise CorrectionError(f"there is no correction {number}; the map has {known}")

    def _with(self, changed: Correction) -> tuple["CorrectionList", Correction]:
        return CorrectionList(tuple(changed if entry.number == changed.number else entry
                                    for entry in self.entries)), changed
