"""A recording for the rerun viewer (``.rrd``): map, path, and keyframes over time.

World frame, metres, seconds and camera axes as ours; pixels half a pixel further, as rerun has the
corner of the first one at (0, 0).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from scenecode.core.atomic_write import replacing
from scenecode.slam.exports.extras import import_extra
from scenecode.slam.output.saved_map import SavedMap

#: Timelines: seconds of the source, and frame indices of keyframes.
TIME, FRAME = "time", "frame"


def write_rerun(saved: SavedMap, out: Path, progress: Callable[[int, int], None]) -> None:
    """``world/points`` (image colours) and ``world/labels`` (colours of classes), ``world/path``,
    ``world/loops``; over time ``world/camera`` of every frame, and ``world/keyframe`` with image,
    depth and labels."""
    rr = import_extra("rerun", "rerun", "rerun")
    with replacing(out) as temporary:
        recording = rr.RecordingStream("scenecode")
        recording.save(temporary)
        _log_map(rr, recording, saved)
        for timestamp, T in zip(saved.trajectory.timestamps, saved.trajectory.T_world_cam):
            recording.set_time(TIME, duration=float(timestamp))
            recording.log("world/camera", _transform(rr, T))
        _log_keyframes(rr, recording, saved, progress)
        recording.flush()
        recording.disconnect()


def _log_map(rr, recording, saved: SavedMap) -> None:
    cloud, classes = saved.cloud, saved.classes
    recording.log("/", rr.AnnotationContext(
        [(n, name, colour) for n, (name, colour) in enumerate(
            zip(classes.names, classes.colours))]), static=True)
    recording.log("world", rr.ViewCoordinates.RDF, static=True)
    recording.log("world/points", rr.Points3D(cloud.points, colors=cloud.colours), static=True)
    recording.log("world/labels", rr.Points3D(
        cloud.points, class_ids=cloud.labels.astype(np.uint16)), static=True)
    recording.log("world/path", rr.LineStrips3D([saved.trajectory.positions]), static=True)
    ends = [[saved.keyframes[n].T_world_cam[:3, 3] for n in (loop.older, loop.newer)]
            for loop in saved.loops]
    if ends:
        recording.log("world/loops", rr.LineStrips3D(ends), static=True)


def _log_keyframes(rr, recording, saved: SavedMap,
                   progress: Callable[[int, int], None]) -> None:
    for done, view in enumerate(saved.keyframes, 1):
        camera = view.camera
        recording.set_time(TIME, duration=float(view.timestamp))
        recording.set_time(FRAME, sequence=int(view.frame_index))
        recording.log("world/keyframe", _transform(rr, view.T_world_cam))
        recording.log("world/keyframe", rr.Pinhole(
            focal_length=[camera.fx, camera.fy], width=camera.width, height=camera.height,
            principal_point=[camera.cx + 0.5, camera.cy + 0.5]))
        recording.log("world/keyframe/image", rr.Image(view.image).compress(jpeg_quality=95))
        recording.log("world/keyframe/depth", rr.DepthImage(view.depth, meter=1.0))
        recording.log("world/keyframe/labels", rr.SegmentationImage(view.labels))
        progress(done, len(saved.keyframes))


def _transform(rr, T_world_cam: np.ndarray):
    return rr.Transform3D(translation=T_world_cam[:3, 3], mat3x3=T_world_cam[:3, :3])
