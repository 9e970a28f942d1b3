"""The samples of a soak as a picture: memory, keyframes, lag and file over the frames."""

from collections.abc import Sequence
from pathlib import Path

from scenecode.core.atomic_write import replacing
from scenecode.slam.benchmarks.soak.samples import Sample

#: Inches and dots per inch of the picture.
_SIZE, _DPI = (8.0, 8.0), 110
#: Frames a second at which a soak's frames are told as minutes of camera.
_FPS = 30.0
#: Each row of the picture: axis label, and the samples' fields drawn there with their names.
_ROWS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("resident MB", (("resident_mb", "all processes"),)),
    ("keyframes", (("keyframes", "in the map"), ("reused", "requests answered by a known one"),
                   ("culled", "culled"))),
    ("lag ms", (("lag_median_ms", "to map, median"), ("lag_max_ms", "to map, longest"),
                ("output_lag_max_ms", "to disk, longest"))),
    ("file MB", (("file_mb", "map file"),)))


def plot_samples(path: Path, title: str, samples: Sequence[Sample]) -> None:
    """Draw the samples over minutes of camera; a vertical line where a session starts."""
    # only drawing needs it, and importing it takes longer than most commands
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DPI)
    minutes = [sample.frames / _FPS / 60 for sample in samples]
    starts = [minute for minute, before, after in zip(minutes[1:], samples, samples[1:])
              if after.session != before.session]
    for axes, (label, lines) in zip(figure.subplots(len(_ROWS), sharex=True), _ROWS):
        for name, line in lines:
            values = [getattr(sample, name) for sample in samples]
            axes.plot(minutes, [float("nan") if v is None else v for v in values], label=line,
                      linewidth=1.2)
        for start in starts:
            axes.axvline(start, color="0.85", linewidth=0.8, zorder=0)
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.legend(fontsize="small")
    axes.set_xlabel(f"minutes of camera at {_FPS:.0f} frames a second")
    figure.suptitle(title)
    with matplotlib.rc_context({"savefig.bbox": "tight"}), replacing(path) as temporary:
        figure.savefig(temporary, format="png")
