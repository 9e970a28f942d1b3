"""How much memory processes take."""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

if sys.platform == "win32":
    from ctypes import wintypes

    class _MemoryCounters(ctypes.Structure):
        """``PROCESS_MEMORY_COUNTERS`` of the Windows API."""

        _fields_ = [("cb", wintypes.DWORD), ("PageFaultCount", wintypes.DWORD),
                    *((name, ctypes.c_size_t) for name in (
                        "PeakWorkingSetSize", "WorkingSetSize", "QuotaPeakPagedPoolUsage",
                        "QuotaPagedPoolUsage", "QuotaPeakNonPagedPoolUsage",
                        "QuotaNonPagedPoolUsage", "PagefileUsage", "PeakPagefileUsage"))]

    def peak_memory_mb() -> float:
        """The largest resident size that this process ever had."""
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        kernel.K32GetProcessMemoryInfo.argtypes = (
            wintypes.HANDLE, ctypes.POINTER(_MemoryCounters), wintypes.DWORD)
        counters = _MemoryCounters(cb=ctypes.sizeof(_MemoryCounters))
        kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(counters),
                                       counters.cb)
        return counters.PeakWorkingSetSize / (1024 * 1024)
else:
    import resource

    def peak_memory_mb() -> float:
        """The largest resident size that this process ever had."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


if sys.platform == "linux":
    _PAGE_MB = os.sysconf("SC_PAGE_SIZE") / (1024 * 1024)

    def resident_mb() -> float:
        """The present resident size of this process and all that it started, together."""
        return _PAGE_MB * sum(_resident_pages(process) for process in _family(os.getpid()))

    def _family(process: int) -> Iterator[int]:
        yield process
        for file in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                children = file.read_text().split()
            except OSError:     # a thread that ended meanwhile
                continue
            for child in children:
                yield from _family(int(child))

    def _resident_pages(process: int) -> int:
        try:
            return int(Path(f"/proc/{process}/statm").read_text().split()[1])
        except OSError:         # it ended meanwhile
            return 0
else:
    def resident_mb() -> float:
        """The largest resident size that this process ever had: the present one, and those of
        other processes, are not to be had everywhere."""
        return peak_memory_mb()


#: Numbers of the settings of ``mallopt`` (malloc.h of GNU).
_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1
#: Heaps that all threads of this process share: two keep 23 MB of eight threads where one keeps 4.
_HEAPS = 1
#: Bytes from which on a block is the operating system's own, which gets it back at once.  Larger
#: than an image of 1920x1080: every page of such a block is fetched anew, which on virtual
#: machines takes longer than what is computed on it.
_OWN_BLOCK_BYTES = 8_000_000
#: Bytes that a heap keeps free at its end.
_KEPT_BYTES = 16_000_000


def keep_heaps_small() -> None:
    """Let this process keep little of what it frees: call it before threads start.

    The C library of Linux otherwise has up to eight heaps for each core, and after the first large
    block that is freed takes all blocks of up to 32 MB from them: a tensor that is made and freed
    in each of ten threads stays ten times.
    """
    set_option = _of_glibc("mallopt")
    if set_option is not None:
        set_option(_M_ARENA_MAX, _HEAPS)
        set_option(_M_MMAP_THRESHOLD, _OWN_BLOCK_BYTES)
        set_option(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def release_free_memory() -> None:
    """Give memory that this process has freed back to the operating system.

    The C library of Linux keeps it, in one heap for each thread: tensors that are made and freed
    for hours grow the process by what lies between those that stay.
    """
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


@cache
def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library of GNU; None where that is not the one in use."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), name, None)
