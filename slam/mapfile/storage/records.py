"""The content of a map file as plain values, independent of the classes of the running system.

Poses are (4, 4) float32, distances metres, times seconds.
"""

from dataclasses import dataclass, field

import numpy as np

from scenecode.networks.classes import ClassSet
from scenecode.optim.geometry.camera import PinholeCamera

#: Key of directed pairs of keyframes.
Pair = tuple[int, int]


@dataclass(frozen=True)
class MapMeta:
    """What a map was made with; codes mean something to this network only."""

    #: name or path of the weights, and their SHA-256
    model: str
    fingerprint: str
    classes: ClassSet
    #: YAML text of the configuration
    config: str
    #: size of the network's images
    width: int
    height: int
    #: version of scenecode that wrote the file last
    version: str
    #: seconds since 1970: when the file was made and last written
    created: float
    updated: float


@dataclass(frozen=True)
class StoredSession:
    """A run that wrote into the map."""

    number: int
    #: the source as it was named
    source: str
    #: seconds since 1970
    started: float


@dataclass(frozen=True, eq=False)
class StoredKeyframe:
    """The part of a keyframe that never changes."""

    number: int
    session: int
    #: index in the source of the session, and its time
    frame_index: int
    timestamp: float
    #: ideal pinhole of the image
    camera: PinholeCamera
    #: JPEG
    image: bytes
    T_world_cam_inserted: np.ndarray
    #: (N, 2) float32 and (N, 32) uint8, the ORB features
    pixels: np.ndarray
    descriptors: np.ndarray


@dataclass(frozen=True, eq=False)
class StoredState:
    """The part of a keyframe that changes."""

    number: int
    #: keyframes of one component share a world frame
    component: int
    #: factor by which depth was rescaled since the network predicted it
    scale: float
    T_world_cam: np.ndarray
    #: (6,) float32, see ``Keyframe.motion_at_scale_1``; 0 where it is not known
    motion: np.ndarray
    #: (Kd,) and (Ks,) float32
    code_depth: np.ndarray
    code_semantic: np.ndarray


@dataclass(frozen=True, eq=False)
class StoredGeometry:
    """Depth of a keyframe at the code and scale of its state, metres: what places are searched by
    without running the network."""

    keyframe: int
    #: (G,) float32 at a coarse grid over the image, row by row
    grid_depths: np.ndarray
    #: (N,) float32 at the features
    feature_depths: np.ndarray


@dataclass(frozen=True, eq=False)
class StoredLandmarks:
    """The M landmarks of a keyframe."""

    keyframe: int
    #: (M, 2) float32
    pixels: np.ndarray
    #: (M,) float32: ln metres, and the standard deviation of ln depth that the network predicted
    log_depth: np.ndarray
    log_std: np.ndarray


@dataclass(frozen=True, eq=False)
class StoredObservation:
    """Landmarks of ``keyframe`` that ``observer`` observes."""

    keyframe: int
    observer: int
    #: (M,) int64, which landmarks
    landmarks: np.ndarray
    #: (M, 2) float32, in the observer
    pixels: np.ndarray
    #: whether the marginal prior contains its residuals
    absorbed: bool


@dataclass(frozen=True, eq=False)
class StoredLoop:
    """A closed loop; fields as of ``scenecode.slam.map.graph.Loop``."""

    #: its place in the order of closing
    number: int
    older: int
    newer: int
    T_older_newer: np.ndarray
    log_scale: float
    num_landmarks: int


@dataclass(frozen=True, eq=False)
class StoredRedirect:
    """Where the frames of a removed keyframe belong now."""

    keyframe: int
    heir: int
    T_heir_culled: np.ndarray
    #: scale of either keyframe's depth at the removal
    scale_culled: float
    scale_heir: float


@dataclass(frozen=True, eq=False)
class StoredPrior:
    """The marginal prior on K keyframes; fields as of
    ``scenecode.slam.map.marginal_prior.MarginalPrior``."""

    numbers: tuple[int, ...]
    #: (K, 4, 4), (K, Kd) and (K, Ks) float32
    T_world_cam: np.ndarray
    codes_depth: np.ndarray
    codes_semantic: np.ndarray
    #: (m,) and (m, K * (6 + Kd + Ks)) float32
    value: np.ndarray
    jacobian: np.ndarray


@dataclass(frozen=True, eq=False)
class StoredCorrection:
    """Labels that a user stated; fields as of
    ``scenecode.slam.corrections.correction.Correction``."""

    number: int
    keyframe: int
    label: int
    kind: str
    weight: float
    active: bool
    #: seconds since 1970
    timestamp: float
    #: (R,) int64 lengths of the runs of pixels outside and inside the region in turn, row by row
    runs: np.ndarray


@dataclass(frozen=True, eq=False)
class StoredImageDepth:
    """What images of V other keyframes gave for a keyframe's depth; fields as of
    ``scenecode.slam.fusion.image_depths.MatchedDepth``."""

    keyframe: int
    #: (Kd,) float32, the depth code that it corrects
    code_depth: np.ndarray
    #: the V keyframes, (V, 4, 4) float32 with translations over the keyframe's median depth, and
    #: (V,) float32 scales over its own
    views: tuple[int, ...]
    T_key_view: np.ndarray
    scales: np.ndarray
    #: all keyframes that it was linked to
    linked: tuple[int, ...]
    #: WebP images of the corrections of ln depth and of ln b, or both empty
    log_factor: bytes
    log_b: bytes


@dataclass(frozen=True, eq=False)
class StoredFrames:
    """The N frames of a session in time order, as columns."""

    #: (N,) int64 in the source, and float64 seconds
    index: np.ndarray
    timestamp: np.ndarray
    #: (N,) int64, the keyframe that each was tracked against, -1 where there is none any more
    keyframe: np.ndarray
    #: (N, 4, 4) float32, in the unit of depth that the keyframe had at ``key_scale`` (N,) float32
    T_key_cam: np.ndarray
    key_scale: np.ndarray
    #: (N, 4, 4) float32 as known when the frame was tracked
    T_world_cam_live: np.ndarray
    #: (N,) bool
    lost: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def at(self, which: "np.ndarray | slice") -> "StoredFrames":
        """Those of an index, a mask or a slice."""
        return StoredFrames(
            index=self.index[which], timestamp=self.timestamp[which],
            keyframe=self.keyframe[which], T_key_cam=self.T_key_cam[which],
            key_scale=self.key_scale[which], T_world_cam_live=self.T_world_cam_live[which],
            lost=self.lost[which])

    @staticmethod
    def empty() -> "StoredFrames":
        poses = np.zeros((0, 4, 4), np.float32)
        return StoredFrames(index=np.zeros(0, np.int64), timestamp=np.zeros(0),
                            keyframe=np.zeros(0, np.int64), T_key_cam=poses,
                            key_scale=np.zeros(0, np.float32), T_world_cam_live=poses,
                            lost=np.zeros(0, bool))


@dataclass(frozen=True, eq=False)
class StoredMap:
    """Everything in a file."""

    meta: MapMeta
    #: by number
    sessions: dict[int, StoredSession] = field(default_factory=dict)
    keyframes: dict[int, StoredKeyframe] = field(default_factory=dict)
    #: one for each keyframe
    states: dict[int, StoredState] = field(default_factory=dict)
    #: of those keyframes for which it was computed
    geometries: dict[int, StoredGeometry] = field(default_factory=dict)
    landmarks: dict[int, StoredLandmarks] = field(default_factory=dict)
    #: by (keyframe, observer)
    observations: dict[Pair, StoredObservation] = field(default_factory=dict)
    #: directed links, with whether the marginal prior contains their residuals
    links: dict[Pair, bool] = field(default_factory=dict)
    #: oldest first
    loops: tuple[StoredLoop, ...] = ()
    #: by the removed keyframe
    redirects: dict[int, StoredRedirect] = field(default_factory=dict)
    #: by session
    frames: dict[int, StoredFrames] = field(default_factory=dict)
    prior: StoredPrior | None = None
    #: oldest first
    corrections: tuple[StoredCorrection, ...] = ()
    #: by keyframe, of those that were matched
    image_depths: dict[int, StoredImageDepth] = field(default_factory=dict)
    #: keyframes of the window that is optimised, in the order of activation
    active: tuple[int, ...] = ()
    #: number of the next keyframe: those of removed ones are never used again
    next_number: int = 0

    @property
    def num_frames(self) -> int:
        return sum(len(frames) for frames in self.frames.values())

    @property
    def components(self) -> tuple[int, ...]:
        """Numbers of the parts that share no world frame."""
        return tuple(sorted({state.component for state in self.states.values()}))
