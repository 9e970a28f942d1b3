"""Keys of earlier configurations: what replaces them, or why there is nothing to set."""

from scenecode.core.strict_config import Removed, Renamed

_CONSTANT = Removed("fixed in the program now, to be left out")
_DAMPING = Removed("the damping of the solver is fixed now, to be left out")
_GROUP = Removed("most of its keys are constants of the program now; leave the group out, and see "
                 "'scenecode config --all' for those that remain elsewhere")
_LEFT = Removed("the feature was removed, because it never improved a map")


def _constants(group: str, *names: str) -> dict[str, Removed]:
    return {f"{group}.{name}": _CONSTANT for name in names}


RENAMED: Renamed = {
    # --- tracking
    "tracking.lucas_kanade": _GROUP,
    "tracking.lucas_kanade.max_pixels": "tracking.max_pixels",
    **_constants("tracking.lucas_kanade", "iterations", "huber", "noise", "border",
                 "edge_tolerance", "max_correction", "min_update", "update_growth", "gain_sigma",
                 "offset_sigma"),
    "tracking.lost_overlap": "tracking.min_overlap",
    "tracking.lost_inliers": "tracking.min_inlier_ratio",
    "tracking.lost_error": "tracking.max_error",
    **_constants("tracking", "lost_gain", "depth_deviation"),
    "tracking.relocalisation.trials": "tracking.relocalisation.max_keyframes",
    "tracking.relocalisation.min_inliers": "tracking.relocalisation.min_inlier_ratio",
    "tracking.relocalisation.doubt": "tracking.relocalisation.verify_below",
    **_constants("tracking.relocalisation", "features", "max_ratio", "clear_ratio",
                 "ransac_pixels", "min_matches", "max_motion", "refined", "min_support", "judged",
                 "trust", "certain_matches", "min_likeness", "min_ncc", "levels", "turns",
                 "turn_step", "candidates"),
    # --- keyframes
    "keyframes.motion": "keyframes.max_translation",
    "keyframes.overlap": "keyframes.min_overlap",
    "keyframes.inliers": "keyframes.min_inlier_ratio",
    "keyframes.urgent": "keyframes.urgency",
    "keyframes.certainty": _LEFT,
    # --- mapping
    "mapping.one_way": _LEFT,
    "mapping.residuals.used": "mapping.residuals.terms",
    "mapping.residuals.geometric_every": "mapping.residuals.geometric_stride",
    "mapping.residuals.semantic_every": "mapping.residuals.semantic_stride",
    "mapping.residuals.sparse_sigma": "mapping.residuals.reprojection_sigma",
    "mapping.residuals.point_deviation": "mapping.residuals.landmark_depth_sigma",
    **{f"mapping.residuals.{name}": Removed(
        "it is a constant of the program now; mapping.residuals.visibility_weights=false weighs "
        "all surfaces equally") for name in ("slant_cosine", "edge_tolerance", "occlusion")},
    **_constants("mapping.residuals", "photometric_huber", "agreeing", "agreement",
                 "geometric_huber", "semantic_huber", "sparse_cauchy", "point_cauchy", "border"),
    "mapping.matching": _GROUP,
    "mapping.matching.points": "mapping.landmarks.per_keyframe",
    "mapping.matching.distance": "mapping.landmarks.min_distance",
    **_constants("mapping.matching", "features", "quality", "window", "levels", "max_return",
                 "ransac_pixels", "reach", "back"),
    "mapping.loops.min_corners": "mapping.loops.min_landmarks",
    "mapping.loops.min_fitting": "mapping.loops.min_inlier_ratio",
    **_constants("mapping.loops", "asked", "indexed", "max_distance", "max_ratio", "pause",
                 "candidates", "spacing", "ransac_pixels", "min_matches", "fitting_pixels",
                 "schedule", "max_log_scale", "translation_sigma", "rotation_sigma",
                 "motion_sigma", "certain_corners", "scale_sigma", "loop_scale_sigma",
                 "max_drift", "min_belief", "pose_graph"),
    "mapping.gauss_newton": _GROUP,
    "mapping.gauss_newton.tolerance": "mapping.tolerance",
    "mapping.gauss_newton.iterations": Removed(
        "each stage of mapping.schedule has its own iterations"),
    **{f"mapping.gauss_newton.{name}": _DAMPING for name in (
        "damping", "damping_increase", "damping_decrease", "damping_max")},
    # --- fusion
    "fusion.agreeing_views": "fusion.min_views",
    **_constants("fusion", "min_cosine"),
    "fusion.refinement.enabled": Removed("fusion.refinement.method says what corrects depth"),
    **_constants("fusion.refinement", "deviation", "pixels", "cauchy", "iterations", "pull",
                 "step", "colour"),
}
