"""All settings of the running system, with the defaults it ships."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from scenecode.networks.inference.precision import Precision
from scenecode.optim.lucas_kanade import LucasKanadeConfig
from scenecode.optim.solvers.gauss_newton import GaussNewtonConfig

#: Terms of mapping's cost that can be left out; ``code`` is the codes' prior.
Term = Literal["photometric", "geometric", "semantic", "code"]


@dataclass(frozen=True)
class RelocalisationConfig:
    """The search for a camera that was lost."""

    #: keyframes that are tried, those that look most like the image
    trials: int = 4
    #: ORB features of the image; of a match, the best distance over the second best
    features: int = 500
    max_ratio: float = 0.9
    #: a match below this ratio is clear
    clear_ratio: float = 0.8
    #: pixels from where a pose puts it, for a match to agree; and matches that must
    ransac_pixels: float = 3.0
    min_matches: int = 10
    #: distance from the keyframe over its median depth at which nothing is recognised any more
    max_motion: float = 1.0
    #: pyramid levels (finest ones) on which such a pose is refined, and the share of the matches
    #: that must allow another pose, at whatever depth
    refined: int = 2
    min_support: float = 0.6
    #: poses are compared by how alike the images are on this pyramid level (a correlation) and by
    #: this much for matches that allow it, all of it when they are certain
    judged: int = 2
    trust: float = 0.5
    certain_matches: int = 40
    #: likeness at which a camera that was not lost before is not lost, whatever else
    min_ncc: float = 0.7
    #: an alignment with fewer inliers is compared with what the features tell
    doubt: float = 0.65
    #: pyramid levels (coarsest ones) on which keyframes without them are tried; turns of the
    #: camera either way from which that starts, in steps of so many pixels of the coarsest one;
    #: and the share of inliers that is then asked for
    levels: int = 2
    turns: int = 3
    turn_step: float = 2.0
    min_inliers: float = 0.4
    #: keyframes that are tried at full resolution after either, best first
    candidates: int = 2


@dataclass(frozen=True)
class TrackingConfig:
    lucas_kanade: LucasKanadeConfig = field(default_factory=LucasKanadeConfig)
    #: share of the network's predicted depth deviation that tracking takes for noise of the
    #: single pixel; the rest errs alike over whole surfaces
    depth_deviation: float = 0.12
    #: an alignment is lost below this overlap or share of inliers, or above this mean error
    lost_overlap: float = 0.25
    lost_inliers: float = 0.25
    lost_error: float = 0.12
    #: or when the brightness changed by more than this factor either way
    lost_gain: float = 3.0
    #: lost frames after which a first keyframe that nothing was ever tracked against is given
    #: up and the map begins anew
    give_up_after: int = 15
    #: standard deviation of intensity without which an image tells nothing
    min_contrast: float = 0.02
    relocalisation: RelocalisationConfig = field(default_factory=RelocalisationConfig)


@dataclass(frozen=True)
class KeyframeConfig:
    """A new keyframe is asked for when any of these is passed."""

    #: distance from the last keyframe over its median depth
    motion: float = 0.12
    #: share of the keyframe's pixels still in view
    overlap: float = 0.75
    #: share of those whose brightness fits
    inliers: float = 0.7
    #: seconds between two, unless a limit is passed by so large a factor that a loss is near
    min_interval: float = 0.095
    urgent: float = 1.5


@dataclass(frozen=True)
class ResidualConfig:
    """Relative weights; each pair of keyframes counts as ``effective_pixels`` measurements,
    since neighbouring pixels of an image do not err independently.

    What is not ``used`` is neither computed nor counted; the corners' residuals are left out by
    ``MatchingConfig.points`` of 0.
    """

    used: tuple[Term, ...] = get_args(Term)
    effective_pixels: float = 200.0
    #: pixels of a keyframe that the photometric term warps, those with the strongest gradient
    photometric_pixels: int = 1200
    #: intensity: standard deviation, and Huber threshold in standard deviations
    photometric_sigma: float = 0.03
    photometric_huber: float = 0.7
    #: difference of intensity below which a pixel agrees; and shares of pixels that agree at
    #: which two images begin to count, and count in full: seen from far apart nothing looks alike
    agreeing: float = 0.1
    agreement: tuple[float, float] = (0.7, 0.9)
    #: depth, relative to depth
    geometric_sigma: float = 0.3
    geometric_huber: float = 1.5
    #: one pixel in so many of the geometric and of the semantic term's levels is warped: their
    #: neighbours say the same
    geometric_every: int = 2
    semantic_every: int = 4
    #: probability
    semantic_sigma: float = 1.7
    semantic_huber: float = 1.5
    code_sigma: float = 1.0
    #: corners: pixels of standard deviation, scale of Cauchy's loss in standard deviations
    sparse_sigma: float = 0.3
    sparse_cauchy: float = 3.0
    #: how far a corner's depth may be from the codes', in predicted deviations; robustly
    point_deviation: float = 1.5
    point_cauchy: float = 2.0
    #: pixels left out at image borders
    border: float = 1.0
    #: surfaces seen at a cosine below this weigh proportionally less
    slant_cosine: float = 0.3
    #: relative step of inverse depth that makes an occluding edge
    edge_tolerance: float = 0.03
    #: a point this much (relative) behind the other view's surface counts as half hidden
    occlusion: float = 0.15

    def __post_init__(self):
        none, full = self.agreement
        if not 0 <= none < full <= 1 or self.agreeing <= 0:
            raise ValueError("mapping.residuals: agreement must be two rising shares and agreeing "
                             f"positive, got {self.agreement} and {self.agreeing}")


@dataclass(frozen=True)
class MatchingConfig:
    """Corners that are followed between keyframes, and features by which places are recognised."""

    #: ORB features of a keyframe
    features: int = 500
    #: corners that a keyframe has, old and new ones; 0 does without
    points: int = 240
    #: pixels between corners
    distance: int = 7
    #: of a corner, relative to the best one's
    quality: float = 0.01
    #: edge of the patch that is compared, and pyramid levels
    window: int = 15
    levels: int = 3
    #: pixels by which a corner that is followed there and back may miss itself
    max_return: float = 0.5
    #: pixels from the epipolar line
    ransac_pixels: float = 1.0
    #: older keyframes whose corners are looked for in a new one
    reach: int = 4
    #: older keyframes in which the corners of a new one are looked for
    back: int = 2


@dataclass(frozen=True)
class StageConfig:
    """One entry of the mapping schedule."""

    #: what is optimised: ``geometry`` (poses, depth codes), ``semantics``, or ``joint``
    stage: str
    #: pyramid level of the photometric term, 0 = full resolution
    level: int
    iterations: int

    def __post_init__(self):
        if self.stage not in ("geometry", "semantics", "joint"):
            raise ValueError(f"a stage is geometry, semantics or joint, got '{self.stage}'")


@dataclass(frozen=True)
class LoopClosureConfig:
    """Places that are seen again, and how the map is bent until they meet.

    Needs the corners of ``MatchingConfig``; without them nothing is searched.
    """

    enabled: bool = True
    #: of a keyframe's strongest ORB features, how many are asked for, and among how many
    asked: int = 120
    indexed: int = 250
    #: bits of 256 by which descriptors of the same thing may differ
    max_distance: int = 64
    #: of the best match over the second best
    max_ratio: float = 0.8
    #: keyframes before a new one that are too recent to be a place seen again
    min_age: int = 15
    #: keyframes after a loop without a search
    pause: int = 2
    #: keyframes that are verified, those that got most votes, apart from each other by more than
    #: so many keyframes; and votes below which none is
    candidates: int = 3
    spacing: int = 3
    min_votes: int = 8
    #: pixels from where a motion puts it, for a match to agree; and matches that must
    ransac_pixels: float = 4.0
    min_matches: int = 15
    #: corners of the older one that must be found in the new one, and the share of them that
    #: must fit within so many pixels in the end
    min_corners: int = 30
    min_fitting: float = 0.8
    fitting_pixels: float = 2.0
    #: share of the pixels of either that the other must show
    min_overlap: float = 0.35
    #: stages of the window that refine the relative pose
    schedule: tuple[StageConfig, ...] = (StageConfig("geometry", 2, 4),
                                         StageConfig("geometry", 1, 3))
    #: ln of the largest change of scale
    max_log_scale: float = 0.7
    #: standard deviations of a relative pose: translation over median depth, degrees; and what
    #: a motion as long as the median depth adds to either, in radians the latter: depth errs by
    #: a share, and so does all that follows from parallax
    translation_sigma: float = 0.005
    rotation_sigma: float = 0.25
    motion_sigma: float = 0.1
    #: corners at which a loop is as certain as a link; with fewer its deviations grow as the
    #: root of that
    certain_corners: int = 100
    #: of ln scale, between linked keyframes and as a loop measures it
    scale_sigma: float = 0.02
    loop_scale_sigma: float = 0.1
    #: drift, as a multiple of what the links' deviations add up to, beyond which a loop loses
    #: its pull; and the share of it that it must keep
    max_drift: float = 3.0
    min_belief: float = 0.5
    pose_graph: GaussNewtonConfig = field(
        default_factory=lambda: GaussNewtonConfig(iterations=25, tolerance=1e-3))

    def __post_init__(self):
        if min(self.min_age, self.min_corners, self.certain_corners) < 1:
            raise ValueError("mapping.loops: min_age, min_corners and certain_corners must be at "
                             f"least 1, got {self.min_age}, {self.min_corners} and "
                             f"{self.certain_corners}")


@dataclass(frozen=True)
class MappingConfig:
    #: newest keyframes that are optimised; older ones they see are held fixed
    window: int = 5
    #: whether keyframes that leave the window leave a prior behind for those that stay; else, and
    #: where the schedule has no joint stage, they are held and their images go on being compared
    marginal_priors: bool = True
    #: predecessors to which a new keyframe is linked, both ways
    links: int = 2
    #: share of pixels that must be in view for a link
    link_overlap: float = 0.3
    #: how far a new keyframe's depth is brought from the scale that the network gives it (0) to
    #: that of the keyframes that it is linked to (1), see ``scenecode.slam.mapping.scale``
    scale_share: float = 0.5
    #: coarse to fine, geometry before semantics before both
    schedule: tuple[StageConfig, ...] = (
        StageConfig("geometry", 3, 4), StageConfig("geometry", 2, 5),
        StageConfig("geometry", 1, 4), StageConfig("geometry", 0, 4),
        StageConfig("semantics", 3, 4), StageConfig("joint", 0, 3))
    #: level of the geometric and of the semantic term: codes have no finer detail to give
    geometric_level: int = 3
    semantic_level: int = 3
    residuals: ResidualConfig = field(default_factory=ResidualConfig)
    matching: MatchingConfig = field(default_factory=MatchingConfig)
    loops: LoopClosureConfig = field(default_factory=LoopClosureConfig)
    gauss_newton: GaussNewtonConfig = field(default_factory=GaussNewtonConfig)

    def __post_init__(self):
        if self.window < 1 or self.links < 1 or not 0 <= self.scale_share <= 1:
            raise ValueError("mapping.window and mapping.links must be at least 1 and "
                             f"scale_share from 0 to 1, got {self.window}, "
                             f"{self.links} and {self.scale_share}")

    @property
    def leaves_priors(self) -> bool:
        """A prior is on everything at once, so everything has to be optimised at once."""
        return self.marginal_priors and any(stage.stage == "joint" for stage in self.schedule)


@dataclass(frozen=True)
class RefinementConfig:
    """Corrections of depth by the corners that were triangulated, for all who look at the map."""

    enabled: bool = True
    #: pixels of parallax, and keyframes beside its own, without which a corner's depth is not
    #: believed: along the epipolar line of only one it may have slipped
    min_parallax: float = 3.0
    min_views: int = 2
    #: deviation of a corner's ln depth: what remains at any parallax, and pixels of its place;
    #: and scale of Cauchy's loss in deviations
    deviation: float = 0.03
    pixels: float = 0.5
    cauchy: float = 3.0
    iterations: int = 3
    #: weight of differences between neighbours, and of any correction at all
    smoothness: float = 100.0
    pull: float = 0.3
    #: relative step of depth, and difference of colour (0-1), that part two neighbours
    step: float = 0.04
    colour: float = 0.4

    def __post_init__(self):
        if min(self.deviation, self.cauchy, self.smoothness, self.pull, self.step,
               self.colour) <= 0 or self.iterations < 1:
            raise ValueError("fusion.refinement: deviation, cauchy, smoothness, pull, step and "
                             "colour must be positive and iterations at least 1, got "
                             f"{self}")


@dataclass(frozen=True)
class FusionConfig:
    #: pyramid level at which points are made
    level: int = 1
    #: two views agree when their depths differ by less (relative)
    depth_tolerance: float = 0.1
    #: views, other than its own, that must agree with a point once there are several
    agreeing_views: int = 1
    #: points whose relative depth deviation is larger are left out
    max_relative_std: float = 0.5
    #: edge of the cells of which one point is kept, relative to the median depth
    voxel: float = 0.01
    #: surfaces seen at a smaller cosine are left out
    min_cosine: float = 0.1
    #: how the labels of a keyframe and its neighbours become one, see
    #: ``scenecode.slam.fusion.label_fusion.fuse_labels``; ``none``: every keyframe keeps its own
    labels: Literal["none", "multiplication", "average", "code"] = "multiplication"
    refinement: RefinementConfig = field(default_factory=RefinementConfig)


@dataclass(frozen=True)
class SlamConfig:
    """The whole system.  ``width`` and ``height`` are the network's."""

    width: int = 256
    height: int = 192
    #: weights by name or path
    model: str = "default"
    device: str = "auto"
    #: of the network's encoder and decoders: float32, bfloat16, or auto: bfloat16 where the
    #: device has it, within the tolerances of ``scenecode.networks.inference.preparation``
    precision: Precision = "float32"
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    keyframes: KeyframeConfig = field(default_factory=KeyframeConfig)
    mapping: MappingConfig = field(default_factory=MappingConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)

    def __post_init__(self):
        levels = len(self.tracking.lucas_kanade.iterations)
        used = [stage.level for stage in (*self.mapping.schedule, *self.mapping.loops.schedule)]
        used += [self.mapping.geometric_level, self.mapping.semantic_level, self.fusion.level]
        if min(used) < 0 or max(used) >= levels:
            raise ValueError(f"tracking.lucas_kanade.iterations makes {levels} pyramid levels, 0 "
                             f"to {levels - 1}; mapping and fusion use {min(used)} to {max(used)}")
        coarsest = self.tracking.relocalisation.levels
        if not 1 <= coarsest <= levels:
            raise ValueError(f"tracking.relocalisation.levels must be 1 to {levels}, the pyramid's "
                             f"levels; got {coarsest}")
