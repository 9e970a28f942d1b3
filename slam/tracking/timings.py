"""How long each part of a run took."""

from dataclasses import dataclass, field


@dataclass
class Timings:
    """Seconds spent.  Each list is written by one thread."""

    tracking: list[float] = field(default_factory=list)    # tracking thread
    keyframe: list[float] = field(default_factory=list)    # mapping thread
    iteration: list[float] = field(default_factory=list)   # mapping thread
    #: of each piece of the search for loops
    loop: list[float] = field(default_factory=list)        # mapping thread
    #: from the request for a keyframe to the end of the work on it
    lag: list[float] = field(default_factory=list)         # mapping thread
    #: peak of the process that tracks, 0 when there is none; tracking thread
    tracking_memory_mb: float = 0.0
