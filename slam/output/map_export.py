"""A map as a result folder: everything dense is computed again from images and codes."""

from collections.abc import Callable

import numpy as np

from scenecode.networks.prediction import Predictor
from scenecode.slam.config.slam_config import SlamConfig
from scenecode.slam.evaluation.report import make_report
from scenecode.slam.fusion.map_fusion import Fusion
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.mapfile.editing import on_one_timeline
from scenecode.slam.mapfile.map_file import live_map
from scenecode.slam.mapfile.storage.records import StoredMap
from scenecode.slam.output.overview import overview
from scenecode.slam.output.result_folder import ResultFolder
from scenecode.slam.records.snapshot import Snapshot
from scenecode.slam.tracking.frame_rows import FRAME_ROW
from scenecode.slam.tracking.recording import Recording
from scenecode.slam.tracking.timings import Timings


def export_map(stored: StoredMap, predictor: Predictor, config: SlamConfig, folder: ResultFolder,
               on_keyframe: Callable[[], None] = lambda: None) -> None:
    """Write a map into a result folder, with the network that made it; ``on_keyframe`` is called
    after each keyframe.

    Sessions follow each other in time (``on_one_timeline``).
    """
    memory = WorkingMemory(predictor, config.device)
    loaded = live_map(on_one_timeline(stored), memory, config.device)
    graph, fusion = loaded.graph, Fusion(config.fusion)
    fusion.set_map(graph)
    for number in fusion.never_fused:
        fusion.fuse(number)
        on_keyframe()
    while fusion.place():
        pass
    rows = [loaded.frames[session] for session in sorted(loaded.frames)]
    recording = Recording.of(np.concatenate([np.zeros(0, FRAME_ROW), *rows]))
    final = recording.final(graph)
    snapshot = Snapshot(version=1, classes=stored.meta.classes, cloud=fusion.cloud,
                        keyframes=tuple(fusion.keyframe_views().values()),
                        trajectory=final.T_world_cam)
    folder.write_map(snapshot)
    folder.write_trajectories(final, recording.live())
    folder.write_report(make_report(recording, Timings(), graph, scores={}, resident_mb=0.0))
    if snapshot.keyframes:
        folder.write_overview(overview(snapshot))
