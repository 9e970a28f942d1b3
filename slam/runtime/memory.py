"""How much memory a process took."""

import sys

if sys.platform == "win32":
    import ctypes
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
