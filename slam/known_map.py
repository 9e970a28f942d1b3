"""The map file of a run: what it holds already, and the writer that continues it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from scenecode.networks.prediction import Predictor
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.corrections.correction import CorrectionList
from scenecode.slam.fusion.image_depths import MatchedDepth
from scenecode.slam.map.graph import KeyframeGraph
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile import recoding
from scenecode.slam.mapfile.fingerprint import map_meta
from scenecode.slam.mapfile.map_file import LoadedMap, MapFile, load_map, open_or_create
from scenecode.slam.mapfile.storage.reading import load, require_same_network

#: Seconds between the last frame of earlier runs and time 0.
_PAUSE = 1.0


@dataclass(frozen=True)
class KnownMap:
    """A map that was loaded."""

    graph: KeyframeGraph
    #: what its keyframes get their predictions from
    memory: WorkingMemory
    #: whether to leave it as it is
    localise: bool
    #: what users stated about its labels
    corrections: CorrectionList = CorrectionList()
    #: what images gave for the depths of its keyframes
    image_depths: Mapping[int, MatchedDepth] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenedMap:
    """A map file, opened."""

    #: None for a file that is new, or has no keyframes
    known: KnownMap | None
    #: None when the file is to be left as it is
    writer: MapFile | None


def open_map(path: str | Path, config: SlamConfig, predictor: Predictor, fingerprint: str,
             session: str, localise: bool, recode: bool = False,
             model: str | None = None) -> OpenedMap:
    """Open a map file to continue it with a ``session`` of that name, or to ``localise`` in it;
    to ``recode`` is to compute the codes of another network's map anew.  ``model`` names the
    network, by default as the configuration does.

    Raises as ``open_or_create``, ``load_map`` when localising, and ``recoding.recode``.
    """
    memory = WorkingMemory(predictor, config.device, mask_moving=config.dynamic == "mask")
    meta = map_meta(config, predictor, fingerprint, model)
    if recode and Path(path).exists() and load(path).meta.fingerprint != fingerprint:
        recoding.recode(path, meta, memory, config.device)
    if localise:
        loaded: LoadedMap | None = load_map(path, memory, config.device)
        assert loaded is not None
        require_same_network(loaded.meta, path, fingerprint, meta.model)
        writer = None
    else:
        writer, loaded = open_or_create(path, meta, memory, session, config.device)
    if loaded is None or not len(loaded.graph):
        return OpenedMap(known=None, writer=writer)
    _put_before(loaded)
    return OpenedMap(known=KnownMap(graph=loaded.graph, memory=memory, localise=localise,
                                     corrections=loaded.corrections,
                                     image_depths=loaded.image_depths),
                     writer=writer)


def _put_before(loaded: LoadedMap) -> None:
    """Number and stamp the frames of earlier runs so that they end before frame 0 at time 0: those
    of the present run keep the numbers and times of its source."""
    keyframes = loaded.graph.keyframes
    ends = [rows[-1] for rows in loaded.frames.values() if len(rows)]
    last_index = max([k.frame_index for k in keyframes.values()]
                     + [int(row["frame_index"]) for row in ends])
    last_time = max([k.timestamp for k in keyframes.values()]
                    + [float(row["timestamp"]) for row in ends])
    for number, keyframe in keyframes.items():
        geometry = loaded.graph.known_geometry(number)
        keyframes[number] = replace(keyframe, frame_index=keyframe.frame_index - last_index - 1,
                                    timestamp=keyframe.timestamp - last_time - _PAUSE)
        if geometry is not None:
            loaded.graph.add_geometry(number, geometry)
