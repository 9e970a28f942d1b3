"""Which keyframes see a place of the map, and what each of them says about it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenecode.slam.records.snapshot import KeyframeView
from scenecode.viewer.inspection.keyframe_maps import KeyframeMaps

#: Keyframes whose maps are looked at: the nearest of those that have the place in their image.
MOST_KEYFRAMES = 60
#: A place is seen where it differs from the depth by less than so many standard deviations, or
#: by less than this share of its depth.
STD_TOLERANCE, DEPTH_TOLERANCE = 3.0, 0.06
MIN_DEPTH = 0.05


@dataclass(frozen=True)
class Observation:
    """A place as one keyframe sees it."""

    frame_index: int
    timestamp: float
    #: column and row of the pixel
    u: int
    v: int
    #: of the keyframe at the pixel, metres
    depth: float
    depth_std: float
    #: class id and its probability
    label: int
    confidence: float
    #: (C,) float64; those of the other classes are even where they are not known
    probabilities: np.ndarray


def observations(point: np.ndarray, keyframes: Sequence[KeyframeView], maps: KeyframeMaps,
                 classes: int, exact: int = 0) -> list[Observation]:
    """What the keyframes that see a ``point`` (3,) of the world say about it, the nearest
    keyframe first: those where it projects into the image at about the keyframe's depth.

    Of the first ``exact`` of them the class probabilities are computed where they can be; of the
    others only that of the label is known.
    """
    if not keyframes:
        return []
    T = np.stack([view.T_world_cam for view in keyframes])
    in_camera = np.einsum("nij,ni->nj", T[:, :3, :3], np.asarray(point, np.float64) - T[:, :3, 3])
    candidates = []
    for n in np.flatnonzero(in_camera[:, 2] > MIN_DEPTH).tolist():
        x, camera = in_camera[n], keyframes[n].camera
        u = camera.fx * x[0] / x[2] + camera.cx
        v = camera.fy * x[1] / x[2] + camera.cy
        if -0.5 <= u < camera.width - 0.5 and -0.5 <= v < camera.height - 0.5:
            candidates.append((float(x[2]), n, round(u), round(v)))
    seen: list[Observation] = []
    for z, n, u, v in sorted(candidates)[:MOST_KEYFRAMES]:
        decoded = maps.of(keyframes[n], exact=len(seen) < exact)
        depth, std = float(decoded.maps.depth[v, u]), float(decoded.maps.depth_std[v, u])
        if depth <= 0 or abs(depth - z) > max(STD_TOLERANCE * std, DEPTH_TOLERANCE * z):
            continue
        label, confidence = int(decoded.maps.labels[v, u]), float(decoded.maps.confidence[v, u])
        seen.append(Observation(
            frame_index=keyframes[n].frame_index, timestamp=keyframes[n].timestamp, u=u, v=v,
            depth=depth, depth_std=std, label=label, confidence=confidence,
            probabilities=_probabilities(decoded.probabilities, u, v, label, confidence,
                                         classes)))
    return seen


def mean_probabilities(seen: Sequence[Observation], classes: int) -> np.ndarray:
    """(C,) float64 mean of what several keyframes say; zeros without any."""
    if not seen:
        return np.zeros(classes)
    return np.mean([observation.probabilities for observation in seen], axis=0)


def _probabilities(known: np.ndarray | None, u: int, v: int, label: int, confidence: float,
                   classes: int) -> np.ndarray:
    if known is not None:
        return known[:, v, u].astype(np.float64)
    p = np.full(classes, (1 - confidence) / max(classes - 1, 1))
    if label < classes:
        p[label] = confidence
    return p
