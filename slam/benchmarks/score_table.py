"""Tables of scores in Markdown, and the folder that keeps them with their settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from scenecode.core.atomic_write import write_text
from scenecode.core.errors import ResultError
from scenecode.core.strict_config import to_mapping
from scenecode.slam.config.slam_config import SlamConfig

#: How a score is shown: key, title, factor, decimals.
Column = tuple[str, str, float, int]


def cells(scores: Mapping[str, float | None], columns: Sequence[Column]) -> list[str]:
    """The texts of a row; a dash where a score is unknown."""
    return [_cell(scores.get(key), factor, decimals) for key, _, factor, decimals in columns]


def _cell(score: float | None, factor: float, decimals: int) -> str:
    return "-" if score is None else f"{score * factor:.{decimals}f}"


def markdown_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """One line for the titles, one for each row."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_results(out: Path, texts: Mapping[str, str], config: SlamConfig) -> None:
    """Write files by name, and ``config.yaml``, into a folder that is made if need be.

    Raises ``ResultError`` when the file system refuses.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(f"{out}: cannot make the folder ({error.strerror}); choose another "
                          "--out") from error
    for name, text in texts.items():
        write_text(out / name, text)
    write_text(out / "config.yaml", yaml.safe_dump(to_mapping(config), sort_keys=False))
