"""Many independent jobs, in processes of this machine or on the machines of a cluster.

``open_executor`` gives the one or the other, ``completed`` runs a list of jobs on it.  A job that
raises, or whose process dies, fails alone.
"""

import asyncio
import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import current_process, get_context
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from scenecode.core.errors import ConfigError, ScenecodeError

if TYPE_CHECKING:
    from distributed import Client

J = TypeVar("J")
R = TypeVar("R")

#: Seconds after which a wait is begun anew, so that Ctrl-C is heard on every platform.
_WAIT = 0.5
#: Seconds that a cluster may take to answer, and to have a worker.
_CLUSTER_TIMEOUT = 30
#: Seconds without any worker after which that is told.
_ABSENCE = 10.0

_log = logging.getLogger(__name__)


class JobDied(ScenecodeError):
    """The process of a job ended without an answer."""


@dataclass(frozen=True)
class Done(Generic[J, R]):
    """A job that ended: its result, or why there is none."""

    job: J
    result: R | None = None
    error: Exception | None = None


class JobExecutor(Protocol):
    """Where jobs run."""

    @property
    def slots(self) -> int:
        """Jobs that run at the same time."""
        ...

    @property
    def deaths(self) -> tuple[type[Exception], ...]:
        """Exceptions of a future that mean the end of the job's process."""
        ...

    def submit(self, function: Callable[[J], R], job: J) -> "Future[R]": ...

    def tell_of_delay(self) -> None:
        """Warn when nothing runs that should; called again and again while jobs are waited for."""
        ...

    def abandon(self) -> None:
        """End what runs, as far as that is possible, and start nothing more."""
        ...


def completed(executor: JobExecutor, function: Callable[[J], R], jobs: Iterable[J],
              on_start: Callable[[J], None] = lambda job: None) -> Iterator[Done[J, R]]:
    """Every job as it ends, in the order of ending; ``on_start`` is called before one is started.

    ``function`` is a function of a module; it, the jobs and the results are pickled.  No more jobs
    are handed out than can run, so that the death of a process concerns one job.
    """
    waiting = deque(jobs)
    running: dict[Future[R], J] = {}
    while waiting or running:
        while waiting and len(running) < executor.slots:
            job = waiting.popleft()
            on_start(job)
            running[executor.submit(function, job)] = job
        ended, _ = wait(running, _WAIT, FIRST_COMPLETED)
        if not ended:
            executor.tell_of_delay()
        for future in ended:
            yield _done(running.pop(future), future, executor.deaths)


def _done(job: J, future: "Future[R]", deaths: tuple[type[Exception], ...]) -> Done[J, R]:
    try:
        return Done(job, result=future.result())
    except deaths as error:
        died = JobDied("the process that ran it ended abruptly (killed, crashed, or out of "
                       "memory); give it more memory, or use fewer workers")
        died.__cause__ = error
        return Done(job, error=died)
    except CancelledError:
        return Done(job, error=JobDied("it was cancelled, or the cluster is gone; start again"))
    except Exception as error:
        return Done(job, error=error)


@contextmanager
def open_executor(workers: int = 1, cluster: str | None = None, one_job_each: bool = False
                  ) -> Iterator[JobExecutor]:
    """``workers`` processes of this machine, or those of the Dask cluster whose scheduler is at
    the address ``cluster``.

    With ``one_job_each``, and on a cluster always, every job has a process of its own; without,
    one worker is this very process.  When the block is left by an exception (Ctrl-C too),
    processes of this machine are ended; those of a cluster finish what they are at.

    Raises ``ConfigError`` for less than one worker, without ``distributed``, and for a cluster
    that does not answer or has workers of several threads.
    """
    if workers < 1:
        raise ConfigError(f"{workers} workers; must be at least 1")
    executor = _executor(workers, cluster, one_job_each)
    try:
        yield executor
    except BaseException:
        executor.abandon()
        raise
    finally:
        executor.close()


def _executor(workers: int, cluster: str | None, one_job_each: bool
              ) -> "_ThisProcess | _Processes | _Cluster":
    if cluster is not None:
        return _Cluster(cluster)
    return _Processes(workers, one_job_each) if workers > 1 or one_job_each else _ThisProcess()


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _ThisProcess:
    """A ``JobExecutor`` that does each job when it is submitted."""

    slots = 1
    deaths: tuple[type[Exception], ...] = ()

    def submit(self, function: Callable[[J], R], job: J) -> "Future[R]":
        future: Future[R] = Future()
        try:
            future.set_result(function(job))
        except Exception as error:
            future.set_exception(error)
        return future

    def tell_of_delay(self) -> None:
        """Every job is done when it is submitted."""

    def abandon(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class _Process:
    """A pool of one process, so that its death is no other job's."""

    pool: ProcessPoolExecutor
    pid: int


class _Processes:
    """A ``JobExecutor`` of spawned processes."""

    deaths = (BrokenProcessPool,)

    def __init__(self, workers: int, one_job_each: bool):
        self.slots = workers
        self._one_job_each = one_job_each
        self._threads = ThreadPoolExecutor(workers, initializer=_block_interrupts)
        self._lock = threading.Lock()
        self._all: list[_Process] = []      # guarded by _lock, as the following
        self._idle: list[_Process] = []
        self._abandoned = False

    def submit(self, function: Callable[[J], R], job: J) -> "Future[R]":
        return self._threads.submit(self._run, function, job)

    def tell_of_delay(self) -> None:
        """A process that ends is a job that failed."""

    def abandon(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._abandoned = True
            for process in self._all:
                _terminate(process.pid)

    def close(self) -> None:
        self._threads.shutdown()
        for process in list(self._all):
            self._end(process)

    def _run(self, function: Callable[[J], R], job: J) -> R:
        process = self._taken() or self._started()
        try:
            result = process.pool.submit(function, job).result()
        except BrokenProcessPool:
            self._end(process)
            raise
        except BaseException:
            self._give_back(process)
            raise
        self._give_back(process)
        return result

    def _taken(self) -> _Process | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _started(self) -> _Process:
        pool = ProcessPoolExecutor(1, get_context("spawn"), _prepare_process,
                                   (max(1, usable_cores() // self.slots),))
        process = _Process(pool, pool.submit(os.getpid).result())
        with self._lock:
            self._all.append(process)
            if self._abandoned:
                _terminate(process.pid)
        return process

    def _give_back(self, process: _Process) -> None:
        if self._one_job_each:
            self._end(process)
            return
        with self._lock:
            self._idle.append(process)

    def _end(self, process: _Process) -> None:
        process.pool.shutdown()
        with self._lock:
            self._all.remove(process)


def _terminate(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass


def _block_interrupts() -> None:
    """Ctrl-C goes to all processes of a terminal; those that this thread starts leave it to the
    first one."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _prepare_process(threads: int) -> None:
    """Leave Ctrl-C to the process that started this one, and take ``threads`` cores."""
    import cv2
    import torch
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def _in_own_process(function: Callable[[J], R], job: J) -> R:
    """A function of a job, in a process that the worker of a cluster starts for it.

    A worker that dies takes with it the results that it holds and jobs that wait there, which Dask
    blames for its death, and it may lose an answer then and wait for ever.
    """
    # workers are daemons, which may not start processes
    current_process().daemon = False
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, job).result()


class _Cluster:
    """A ``JobExecutor`` of the workers of a Dask scheduler, which have one thread each and run
    each job in a process of its own."""

    def __init__(self, address: str):
        self._client = _connected(address)
        self._address = address
        #: ``time.monotonic()`` since when it has no workers; infinite once that was told
        self._alone_since: float | None = None
        from distributed import KilledWorker
        self.deaths = (BrokenProcessPool, KilledWorker)
        self._executor = self._client.get_executor(pure=False)
        try:
            if any(threads != 1 for threads in self._client.nthreads().values()):
                raise ConfigError(f"the cluster {address} has workers of several threads, each of "
                                  "which would run a job; say how many a machine is to run, by "
                                  "dask worker --nthreads 1 --nworkers N")
        except BaseException:
            self._client.close()
            raise

    @property
    def slots(self) -> int:
        # workers come and go
        return max(1, len(self._client.nthreads()))

    def submit(self, function: Callable[[J], R], job: J) -> "Future[R]":
        return self._executor.submit(_in_own_process, function, job)

    def tell_of_delay(self) -> None:
        try:
            has_workers = bool(self._client.nthreads())
        except OSError:     # the scheduler is gone, as the futures will say
            return
        if has_workers:
            self._alone_since = None
            return
        now = time.monotonic()
        self._alone_since = now if self._alone_since is None else self._alone_since
        if now - self._alone_since >= _ABSENCE:
            _log.warning("the cluster %s has no workers any more; what is left waits for some: "
                         "dask worker %s --nthreads 1", self._address, self._address)
            self._alone_since = float("inf")

    def abandon(self) -> None:
        self._executor.shutdown(wait=False)

    def close(self) -> None:
        self._client.close()


def _connected(address: str) -> "Client":
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError("a cluster needs the package distributed; install it by "
                          "pip install 'scenecode[cluster]'") from error
    try:
        client: Any = Client(address, timeout=_CLUSTER_TIMEOUT)
    except (OSError, ValueError, asyncio.TimeoutError) as error:
        raise ConfigError(f"no Dask scheduler answers at {address} ({error}); start one by "
                          "dask scheduler, and give its address, tcp://HOST:8786") from error
    try:
        client.wait_for_workers(1, timeout=_CLUSTER_TIMEOUT)
    except asyncio.TimeoutError as error:
        client.close()
        raise ConfigError(f"the cluster {address} has no workers; start some by dask worker "
                          f"{address} --nthreads 1") from error
    return client
