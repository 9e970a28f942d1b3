"""How much memory a process took."""

import resource
import sys


def peak_memory_mb() -> float:
    """The largest resident size that this process ever had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
