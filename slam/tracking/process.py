"""A tracker in a process of its own.

Tracking makes hundreds of small calls a frame.  In a thread, each of them competes with mapping
for the interpreter lock, and a frame takes three times as long as in a process.
"""

import io
import multiprocessing
import pickle
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import ModuleType
from typing import TYPE_CHECKING

import cv2
import torch
from torch import Tensor

from scenecode.core.errors import ScenecodeError
from scenecode.optim.lucas_kanade import compile_alignment
from scenecode.slam.config.keyframes import KeyframeConfig
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.runtime.memory import keep_heaps_small, peak_memory_mb
from scenecode.slam.tracking.reference import Reference
from scenecode.slam.tracking.tracker import TrackedFrame, Tracker

if TYPE_CHECKING:  # not on every platform
    from multiprocessing.context import ForkServerContext, SpawnContext

#: Seconds that an idle process is given to end by itself.
GRACE = 5.0


@dataclass(frozen=True)
class SetMap:
    """Request to call ``Tracker.set_map``; there is no reply."""

    named: Reference
    #: (K,) numbers of all keyframes, and (K, 4, 4) their poses
    numbers: tuple[int, ...]
    poses: Tensor
    is_lost: bool


@dataclass(frozen=True)
class TrackImage:
    """Request to call ``Tracker.track``; the reply is a ``TrackedFrame`` or an exception."""

    frame_index: int
    timestamp: float
    #: as ``Frame.pyramid``
    pyramid: tuple[Tensor, ...]


@dataclass(frozen=True)
class GetPeakMemory:
    """The reply is the largest resident size of the process in megabytes."""


@dataclass(frozen=True)
class Ready:
    """Sent by the process, once, when it accepts requests."""


Request = SetMap | TrackImage | GetPeakMemory


class TrackingProcessError(ScenecodeError):
    """The tracking process ended unexpectedly."""


class TrackingProcess:
    """Has the calls of a ``Tracker``; to be closed.

    Values are pickled over an unnamed pipe that only these two processes share.  Tracking runs on
    the CPU always: its operations are too small for a GPU.
    """

    def __init__(self, config: TrackingConfig, keyframes: KeyframeConfig):
        """Returns at once; the process takes seconds to start (``wait_until_ready``)."""
        context = _context()
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, config, keyframes),
                                        name="tracking", daemon=True)
        with _sigint_blocked(), _main_module_left_out():
            self._process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        """Raises ``TrackingProcessError`` when it cannot start."""
        self._reply()

    def set_map(self, named: Reference, poses: Mapping[int, Tensor],
                is_lost: bool = False) -> None:
        """As ``Tracker.set_map``; does not wait for it."""
        # one array: a thousand small ones take 10 ms
        self._send_request(SetMap(named=named, numbers=tuple(poses),
                                  poses=torch.stack(tuple(poses.values())), is_lost=is_lost))

    def track(self, frame_index: int, timestamp: float,
              pyramid: Sequence[Tensor]) -> TrackedFrame:
        """As ``Tracker.track``; the poses come back on the CPU.

        Raises ``TrackingProcessError`` when the process was killed, and whatever tracking
        itself raised there.
        """
        self._send_request(TrackImage(frame_index, timestamp, tuple(pyramid)))
        return self._reply()

    def peak_memory_mb(self) -> float:
        """The largest resident size of the process.  Raises as ``track`` does."""
        self._send_request(GetPeakMemory())
        return self._reply()

    def close(self) -> None:
        """End the process; kill it if it does not end by itself."""
        self._pipe.close()
        self._process.join(GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _send_request(self, message: Request) -> None:
        try:
            _send(self._pipe, message)
        except OSError as error:
            raise self._ended() from error

    def _reply(self):
        try:
            reply = _receive(self._pipe)
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _ended(self) -> TrackingProcessError:
        self._process.join(GRACE)
        return TrackingProcessError(
            f"the tracking process ended unexpectedly (exit code {self._process.exitcode}); "
            "if memory ran out, close other programs or use --sequential")


def _context() -> "ForkServerContext | SpawnContext":
    """A plain fork would copy the locks of threads that do not exist in the copy."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C from their first instruction on: the caller ends
    them when everything is saved."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _main_module_left_out() -> Iterator[None]:
    """A process that is started meanwhile does not import the program's main module, as Python
    would have it: a script without ``if __name__ == "__main__"`` would run again there, start
    a process of its own, and fail.  Nothing that is sent comes from that module."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(pipe: Connection, config: TrackingConfig, keyframes: KeyframeConfig) -> None:
    """Main function of the process: replies to requests until the pipe is closed."""
    # for platforms where the signal could not be blocked
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    keep_heaps_small()
    compile_alignment()
    tracker = Tracker(config, keyframes)
    _send(pipe, Ready())
    while True:
        try:
            message = _receive(pipe)
        except (EOFError, OSError):
            return
        reply: TrackedFrame | float | Exception
        try:
            match message:
                case SetMap(named, numbers, poses, is_lost):
                    tracker.set_map(named, dict(zip(numbers, poses.unbind(), strict=True)),
                                    is_lost)
                    continue
                case TrackImage(frame_index, timestamp, pyramid):
                    reply = tracker.track(frame_index, timestamp, pyramid)
                case GetPeakMemory():
                    reply = peak_memory_mb()
        except Exception as error:  # raised by the caller
            reply = error
        _send(pipe, reply)


class _Pickler(pickle.Pickler):
    """Tensors travel as arrays: torch's own way opens a file for each."""

    def reducer_override(self, value):
        if isinstance(value, Tensor):
            return torch.from_numpy, (value.detach().cpu().numpy(),)
        return NotImplemented


def _send(pipe: Connection, value) -> None:
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    pipe.send_bytes(buffer.getbuffer())


def _receive(pipe: Connection):
    return pickle.loads(pipe.recv_bytes())
