"""Trackers with keyframes of true depth."""

from dataclasses import replace

from support.exact import ExactPredictor
from support.walks import small_config

from scenecode.slam.map.keyframe import make_keyframe
from scenecode.slam.map.working_memory import WorkingMemory
from scenecode.slam.tracking.reference import make_reference
from scenecode.slam.tracking.tracker import Tracker

CONFIG = small_config()


def reference_of(frames, index, number=0, T_world_cam=None):
    """A reference with true depth, by default at the true pose."""
    predictor = ExactPredictor(frames, depth_error=0.0)
    T = frames[index].truth.T_world_cam.float()
    keyframe = make_keyframe(frames[index], T, WorkingMemory(predictor))
    state = keyframe.initial_state()
    if T_world_cam is not None:
        state = replace(state, T_world_cam=T_world_cam)
    return make_reference(number, keyframe, state, CONFIG.tracking)


def tracker_at(*references, **keyframes):
    """A tracker that was given the keyframes one after the other."""
    tracker = Tracker(CONFIG.tracking, replace(CONFIG.keyframes, **keyframes))
    for n, reference in enumerate(references):
        tracker.set_map(reference, poses(references[:n + 1]))
    return tracker


def poses(references):
    return {r.keyframe: r.T_world_cam for r in references}


def track(tracker, frame):
    return tracker.track(frame.index, frame.timestamp, frame.pyramid)


def pose_error(tracked, frame):
    """Metres."""
    return float((tracked.T_world_cam[:3, 3] - frame.truth.T_world_cam[:3, 3].float()).norm())
