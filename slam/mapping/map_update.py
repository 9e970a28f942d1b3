"""What mapping hands to the output."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scenecode.slam.corrections.correction import CorrectionList
from scenecode.slam.fusion.image_depths import MatchedDepth
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.timings import Timings


@dataclass(frozen=True)
class MapUpdate:
    """The map at one moment, and what happened until then."""

    #: grows with every update
    version: int
    graph: KeyframeGraph
    recording: Recording
    timings: Timings
    #: ``time.monotonic()`` of the requests for keyframes that no earlier update has the answer to
    answered: tuple[float, ...] = ()
    #: what users stated about labels; the graph does not include them
    corrections: CorrectionList = CorrectionList()
    #: what images gave for the depths of keyframes, by number
    image_depths: Mapping[int, MatchedDepth] = field(default_factory=dict)
