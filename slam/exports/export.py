"""Writing a saved map in one of the formats."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from scenecode.core.atomic_write import part_path
from scenecode.core.errors import ConfigError, ResultError
from scenecode.slam.exports.extras import import_extra
from scenecode.slam.exports.formats import FORMATS, Format
from scenecode.slam.exports.options import ExportOptions
from scenecode.slam.output.saved_map import SavedMap


def require_exportable(name: str, out: str | Path) -> Format:
    """The format of a name; raises ``ConfigError`` for an unknown one and for one whose library is
    missing, ``ResultError`` where there is something at ``out`` already: to be called before the
    map is computed."""
    if name not in FORMATS:
        raise ConfigError(f"--format {name} is unknown; choose one of {', '.join(FORMATS)}")
    chosen, out = FORMATS[name], Path(out)
    if chosen.extra is not None:
        import_extra(*chosen.extra, name)
    for path in (out, *chosen.companions(out)):
        is_empty_folder = chosen.is_folder and path.is_dir() and not any(path.iterdir())
        if (path.exists() or path.is_symlink()) and not is_empty_folder:
            raise ResultError(f"{path} exists already, and an export replaces nothing; give "
                              "another --out, or remove it")
    if not out.absolute().parent.is_dir():
        raise ResultError(f"{out}: there is no folder {out.absolute().parent}; make it, or give "
                          "another --out")
    return chosen


def export(saved: SavedMap, name: str, out: str | Path,
           options: ExportOptions = ExportOptions(),
           progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Write a map to ``out``, a file or a folder that appears when it is complete.

    ``progress`` is called with the keyframes that are done and the number of all.  Raises as
    ``require_exportable``, and ``ResultError`` for a map without keyframes, or without what the
    format shows.
    """
    chosen, out = require_exportable(name, out), Path(out)
    if not saved.keyframes:
        raise ResultError(f"{saved.path} has no keyframes, so there is nothing to export; give "
                          "the map of a run that tracked its camera")
    if not chosen.is_folder:
        chosen.write(saved, out, options, progress)
        return
    temporary = part_path(out)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        chosen.write(saved, temporary, options, progress)
        os.replace(temporary, out)
    except OSError as error:
        raise ResultError(f"cannot write {out}: {error.strerror or error}; check the free space "
                          "and the permissions of its folder") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
