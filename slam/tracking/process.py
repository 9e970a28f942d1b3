"""A tracker in a process of its own.

Tracking makes thousands of small calls a frame.  In a thread beside mapping each of them has
to win the interpreter from it first, and a frame takes three times as long; in its own process
it takes what it takes alone.
"""

import io
import multiprocessing
import pickle
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import cv2
import torch
from torch import Tensor

from scenecode.core.errors import ScenecodeError
from scenecode.slam.config.keyframes import KeyframeConfig
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.runtime.memory import peak_memory_mb
from scenecode.slam.tracking.reference import Reference
from scenecode.slam.tracking.tracker import TrackedFrame, Tracker

if TYPE_CHECKING:  # not on every platform
    from multiprocessing.context import ForkServerContext, SpawnContext

#: Seconds within which an idle process ends after it was told to.
GRACE = 5.0


@dataclass(frozen=True)
class SetMap:
    """Asks for ``Tracker.set_map``; not answered."""

    newest: Reference
    #: (K, 4, 4)
    T_world_keyframes: Tensor


@dataclass(frozen=True)
class TrackImage:
    """Asks for ``Tracker.track``; answered by a ``TrackedFrame`` or the exception it raised."""

    frame_index: int
    timestamp: float
    #: as ``Frame.pyramid``
    pyramid: tuple[Tensor, ...]


@dataclass(frozen=True)
class GetPeakMemory:
    """Answered by the largest resident size of the process in megabytes."""


@dataclass(frozen=True)
class Ready:
    """Sent by the process, once, when it can be asked."""


Request = SetMap | TrackImage | GetPeakMemory


class TrackingProcessError(ScenecodeError):
    """The process that tracks ended without being told to."""


class TrackingProcess:
    """Has the calls of a ``Tracker``; to be closed.

    What is sent are this program's own values over an unnamed pipe; nothing is read from
    elsewhere.  Tracking itself always runs on the CPU: it is too fine-grained for anything else.
    """

    def __init__(self, config: TrackingConfig, keyframes: KeyframeConfig):
        """Returns at once; the process takes seconds to start, ``wait_until_ready`` waits."""
        context = _context()
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, config, keyframes),
                                        name="tracking", daemon=True)
        with _ctrl_c_held_back():
            self._process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        """Raises ``TrackingProcessError`` when it cannot start."""
        self._answer()

    def set_map(self, newest: Reference, T_world_keyframes: Tensor) -> None:
        """As ``Tracker.set_map``; does not wait for it."""
        self._tell(SetMap(newest, T_world_keyframes))

    def track(self, frame_index: int, timestamp: float,
              pyramid: Sequence[Tensor]) -> TrackedFrame:
        """As ``Tracker.track``; the poses come back on the CPU.

        Raises ``TrackingProcessError`` when the process was killed, and whatever tracking
        itself raised there.
        """
        self._tell(TrackImage(frame_index, timestamp, tuple(pyramid)))
        return self._answer()

    def peak_memory_mb(self) -> float:
        """The largest resident size of the process.  Raises as ``track`` does."""
        self._tell(GetPeakMemory())
        return self._answer()

    def close(self) -> None:
        """End the process, kindly at first."""
        self._pipe.close()
        self._process.join(GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _tell(self, message: Request) -> None:
        try:
            _send(self._pipe, message)
        except OSError as error:
            raise self._ended() from error

    def _answer(self):
        try:
            answer = _receive(self._pipe)
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if isinstance(answer, Exception):
            raise answer
        return answer

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
def _ctrl_c_held_back() -> Iterator[None]:
    """What is started meanwhile never sees Ctrl-C, not even while it is still importing: that
    is for the caller, who ends it when all is saved."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection, config: TrackingConfig, keyframes: KeyframeConfig) -> None:
    """The process: answers every frame with its pose until the pipe is closed."""
    # where Ctrl-C could not be held back it is ignored from here on
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    tracker = Tracker(config, keyframes)
    _send(pipe, Ready())
    while True:
        try:
            message = _receive(pipe)
        except (EOFError, OSError):
            return
        answer: TrackedFrame | float | Exception
        try:
            match message:
                case SetMap(newest, T_world_keyframes):
                    tracker.set_map(newest, T_world_keyframes)
                    continue
                case TrackImage(frame_index, timestamp, pyramid):
                    answer = tracker.track(frame_index, timestamp, pyramid)
                case GetPeakMemory():
                    answer = peak_memory_mb()
        except Exception as error:  # handed to the caller, whatever it is
            answer = error
        _send(pipe, answer)


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
