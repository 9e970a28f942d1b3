"""Scores by code size and decoder, of short runs of equal budget (paper section 6.2, figure 4):

    python -m scenecode.networks.families.scenecode.experiments.code_size --out DIR --report docs

Every configuration is trained as ``scenecode train`` does and scored on the held-out part of
the training data.  Runs that were stopped, by Ctrl-C or otherwise, are resumed.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from scenecode.core.console import make_console
from scenecode.core.errors import ConfigError, ScenecodeError
from scenecode.core.shipped import CONFIGS
from scenecode.core.strict_config import load_yaml, override
from scenecode.networks.data.mixed import MixedImages
from scenecode.networks.families.scenecode.config import SceneCodeConfig
from scenecode.networks.sample import LabelledImages
from scenecode.networks.training.config import TrainConfig, read_train_config
from scenecode.networks.training.train import train
from scenecode.networks.training.training_data import open_training_data

#: How this command is called.
MODULE = "scenecode.networks.families.scenecode.experiments.code_size"
#: Scores that are compared, with their titles.
COMPARED = {"miou": "mIoU", "proximity_error": "proximity error"}
#: Line style of each decoder and colour of each kind of code in the plot.
_STYLES = {"linear": "-", "nonlinear": "--"}
_COLOURS = {"zero_code": "tab:grey", "encoded": "tab:blue"}
#: The size that the paper chose, because larger ones gain little.
CHOSEN_SIZE = 32


@dataclass(frozen=True)
class Result:
    """A finished run."""

    decoder: str
    code: int
    epochs: int
    #: ``zero_code`` and ``encoded`` scores, as ``evaluate_model`` names them
    scores: dict[str, dict[str, float]]

    def score(self, kind: str, name: str) -> float:
        return self.scores[kind][name]


def open_variants(paths: Sequence[Path], changes: Sequence[str] = ()) -> dict[str, TrainConfig]:
    """The configurations by file name, each with the same ``changes`` (``key=value``).

    Raises ``ConfigError`` when they differ in more than code size and decoder: their scores
    could not be compared.
    """
    variants: dict[str, TrainConfig] = {}
    for path in paths:
        config = read_train_config(load_yaml(path), str(path))
        for change in changes:
            config = override(config, change)
        model = _model(config)
        if model.depth_code != model.semantic_code:
            raise ConfigError(f"{path}: has codes of {model.depth_code} and "
                              f"{model.semantic_code}; compare models with two equal ones")
        if variants and _budget(config) != _budget(next(iter(variants.values()))):
            raise ConfigError(f"{path}: differs from {paths[0]} in more than code size and "
                              "decoder; let one extend the other")
        variants[Path(path).stem] = config
    return variants


def _model(config: TrainConfig) -> SceneCodeConfig:
    if not isinstance(config.model, SceneCodeConfig):
        raise ConfigError(f"architecture '{config.model.architecture}' has no codes to compare; "
                          "use 'scenecode'")
    return config.model


def _budget(config: TrainConfig) -> TrainConfig:
    """A configuration without what may differ."""
    model = replace(_model(config), depth_code=0, semantic_code=0, decoder="linear")
    return replace(config, model=model)


def run_variants(variants: dict[str, TrainConfig], out: Path, device: str = "auto",
                   images: tuple[MixedImages, LabelledImages] | None = None,
                 console: Console | None = None) -> list[Result] | None:
    """Train and score each variant in a folder of its own below ``out``, resuming where an
    earlier call stopped; nothing when Ctrl-C stopped it before the end.

    ``images`` are as in ``scenecode.networks.training.train``; by default the configured ones,
    opened once.  Raises ``ConfigError`` for a folder with a run of another configuration.
    """
    console, results = console or make_console(), []
    for name, config in variants.items():
        folder = out / name
        _require_same_run(folder / "config.yaml", config)
        if _finished_record(folder, config) is None:
            geometry = config.model.geometry
            images = images or open_training_data(config.data, geometry.width, geometry.height,
                                                  config.seed)
            console.print(name, style="bold")
            train(config, folder, resume=(folder / "state.pt").exists(), device=device,
                  images=images, console=console)
        record = _finished_record(folder, config)
        if record is None:
            console.print("stopped; the same command resumes")
            return None
        model = _model(config)
        results.append(Result(decoder=model.decoder, code=model.depth_code, epochs=config.epochs,
                              scores=record["val"]))
    return results


def _require_same_run(path: Path, config: TrainConfig) -> None:
    if path.exists() and read_train_config(load_yaml(path), str(path)) != config:
        raise ConfigError(f"{path}: is of a run with another configuration; choose another --out, "
                          "or delete that folder")


def _finished_record(folder: Path, config: TrainConfig) -> dict | None:
    """The last line of the log of a run that made all its epochs."""
    path = folder / "log.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    record = json.loads(lines[-1]) if lines else None
    return record if record is not None and record["epoch"] >= config.epochs else None


def write_report(results: Sequence[Result], config: TrainConfig, folder: Path) -> Path:
    """``code_size.md``, with ``code_size.png``, in ``folder``."""
    results = sorted(results, key=lambda r: (r.decoder, r.code))
    folder.mkdir(parents=True, exist_ok=True)
    _plot(results, folder / "code_size.png")
    path = folder / "code_size.md"
    geometry = config.model.geometry
    data = " and ".join(name for name, used in (
        ("NYUv2 train", config.data.nyuv2), ("procedural rooms", config.data.rooms)) if used)
    text = [
        "# Code size and decoder", "",
        f"Written by `python -m {MODULE} --out DIR --report docs` from the "
        "configurations `configs/train/code_*.yaml`. Each run has the same budget: "
        f"{config.epochs} epochs of {data} at {geometry.width}x{geometry.height}, "
        "from the same ImageNet weights, one seed. Scores are those of the held-out part of "
        "train. The budget is small: compare rows with each other, not with other tables.", "",
        "![mIoU and proximity error over code size](code_size.png)", "",
        "| decoder | code | " + " | ".join(
            f"{title}, zero code | {title}, encoded" for title in COMPARED.values()) + " |",
        "|---|---|" + "---|" * (2 * len(COMPARED))]
    for r in results:
        cells = [f"{r.score(kind, name):.4f}" for name in COMPARED for kind in _COLOURS]
        text.append(f"| {r.decoder} | {r.code} | {' | '.join(cells)} |")
    text += ["", "What the paper found (section 6.2), and these runs:", "", *_findings(results)]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def _findings(results: Sequence[Result]) -> list[str]:
    """The paper's three observations, each with this table's numbers, as a list in Markdown."""
    linear = {r.code: r for r in results if r.decoder == "linear"}
    nonlinear = {r.code: r for r in results if r.decoder == "nonlinear"}
    coded = [r for r in results if r.code]
    sizes = sorted(size for size in linear if size)
    lines = []
    for name, title in COMPARED.items():
        better = sum(_gain(r, name) > 0 for r in coded)
        steps = [f"{a} to {b} {_change(linear[a], linear[b], name)}"
                 for a, b in zip(sizes, sizes[1:])]
        both = [f"{size} {_change(linear[size], nonlinear[size], name)}"
                for size in sorted(nonlinear.keys() & linear.keys())]
        lines += [f"- Encoded beats zero code. {title}: in {better} of {len(coded)} runs.",
                  f"- Gains flatten past {CHOSEN_SIZE}. Encoded {title}, linear: "
                  f"{', '.join(steps)}.",
                  "- A non-linear decoder gains little. "
                  f"Encoded {title}, non-linear minus linear: {', '.join(both)}."]
    return lines


def _change(first: Result, second: Result, name: str) -> str:
    """Of an encoded score."""
    return f"{second.score('encoded', name) - first.score('encoded', name):+.4f}"


def _gain(result: Result, name: str) -> float:
    """By how much encoded is better than zero code; errors are better when lower."""
    difference = result.score("encoded", name) - result.score("zero_code", name)
    return -difference if name.endswith("error") else difference


def _plot(results: Sequence[Result], path: Path) -> None:
    from matplotlib.figure import Figure
    sizes = sorted({r.code for r in results})
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(1, len(COMPARED)), COMPARED.items()):
        for decoder, style in _STYLES.items():
            runs = [r for r in results if r.decoder == decoder]
            for kind, colour in _COLOURS.items():
                axes.plot([sizes.index(r.code) for r in runs],
                          [r.score(kind, name) for r in runs], style, marker="o", color=colour,
                          label=f"{kind.replace('_', ' ')}, {decoder}")
        axes.set_xticks(range(len(sizes)), map(str, sizes))
        axes.set(title=title, xlabel="code size")
        axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="*", help="YAML files (default: the shipped code_*.yaml)")
    parser.add_argument("--out", metavar="DIR", required=True, help="where the runs go")
    parser.add_argument("--report", metavar="DIR", default="docs",
                        help="where table and plot go (default: docs)")
    parser.add_argument("--epochs", type=int, metavar="N", help="instead of the configured ones")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[],
                        help="change one key of every configuration")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    args = parser.parse_args(arguments)
    shipped = sorted((CONFIGS / "train").glob("code_*.yaml"))
    changes = args.set + ([f"epochs={args.epochs}"] if args.epochs else [])
    variants = open_variants([Path(p) for p in args.config] or shipped, changes)
    results = run_variants(variants, Path(args.out), args.device)
    if results is not None:
        config = next(iter(variants.values()))
        print(write_report(results, config, Path(args.report)))
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except ScenecodeError as error:
        raise SystemExit(f"error: {error}") from error
