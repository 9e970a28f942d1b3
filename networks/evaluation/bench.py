"""How long the network takes for a keyframe, with and without its Jacobians."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from rich.progress import track
from rich.table import Table

from scenecode.core.console import make_console
from scenecode.core.device import choose_device
from scenecode.core.errors import ConfigError
from scenecode.networks.families.network import Network
from scenecode.networks.inference.checkpoint import load_predictor
from scenecode.networks.inference.precision import Precision, has_bfloat16

#: Untimed runs before the timed ones, beyond the one that loading makes.
WARM_UP_RUNS = 3


@dataclass(frozen=True)
class Timing:
    """Milliseconds for one image, medians over the runs."""

    #: the zero-code prediction and all Jacobians, as a keyframe needs them
    with_jacobians: float
    #: the zero-code prediction alone
    without_jacobians: float

    def to_json(self) -> dict[str, float]:
        return {"ms_with_jacobians": round(self.with_jacobians, 2),
                "ms_without_jacobians": round(self.without_jacobians, 2)}


@torch.inference_mode()
def time_predictor(model: Network, runs: int, progress: Callable = iter) -> Timing:
    """Medians over ``runs`` (at least 1), the two kinds in turn so that a disturbance meets
    both; ``progress`` wraps the indices, for a bar."""
    if runs < 1:
        raise ConfigError(f"--runs must be at least 1, got {runs}")
    device = model.device
    image = torch.rand(3, model.height, model.width, device=device)
    predict = partial(model.predict, image, model.geometry.canonical_camera())
    without_jacobians = partial(model.predict_without_jacobians, image)
    for _ in range(WARM_UP_RUNS):
        predict()
    times = [(_milliseconds(predict, device), _milliseconds(without_jacobians, device))
             for _ in progress(range(runs))]
    with_jacobians, without = zip(*times)
    return Timing(with_jacobians=median(with_jacobians), without_jacobians=median(without))


def _milliseconds(work: Callable, device: torch.device) -> float:
    _wait_for(device)
    start = time.perf_counter()
    work()
    _wait_for(device)
    return 1e3 * (time.perf_counter() - start)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


EXAMPLES = """example:
  scenecode bench network --threads 2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``bench network``."""
    parser.add_argument("--model", metavar="NAME_OR_FILE", default=None,
                        help="shipped name or checkpoint (default: the shipped model)")
    parser.add_argument("--runs", type=int, default=30, metavar="N",
                        help="timed runs of each kind (default %(default)s)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"),
                        help="default: float32, and bfloat16 where the device has it")
    parser.add_argument("--threads", type=int, default=0, metavar="N",
                        help="CPU threads (default: torch's choice)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--json", action="store_true", help="print JSON only")


def main(args: argparse.Namespace) -> int:
    """``bench network``: print a table, or JSON with a timing for each precision."""
    if args.threads:
        torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    native = has_bfloat16(device)
    precisions: list[Precision] = [args.precision] if args.precision else ["float32"]
    if native and not args.precision:
        precisions.append("bfloat16")
    progress = iter if args.json else partial(track, description="timing", transient=True)
    timings: dict[str, Timing] = {
        precision: time_predictor(load_predictor(args.model, device, precision), args.runs,
                                  progress) for precision in precisions}
    if args.json:
        print(json.dumps({"device": str(device), "threads": torch.get_num_threads(),
                          "runs": args.runs, "native_bfloat16": native}
                         | {name: timing.to_json() for name, timing in timings.items()}))
    else:
        _print(timings, device, native, args.runs)
    return 0


def _print(timings: dict[str, Timing], device: torch.device, native: bool, runs: int) -> None:
    where = f"{device}, {torch.get_num_threads()} threads" if device.type == "cpu" else str(device)
    table = Table("", "with Jacobians", "without", title=f"ms per keyframe, median of {runs} "
                  f"runs ({where})")
    for precision, timing in timings.items():
        table.add_row(precision, f"{timing.with_jacobians:.1f}",
                      f"{timing.without_jacobians:.1f}")
    console = make_console()
    console.print(table)
    if not native:
        console.print(f"This {device.type} does not compute bfloat16 itself; emulated, it is "
                      "much slower than float32 (--precision bfloat16 measures it).")
