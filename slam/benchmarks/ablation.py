"""Variants of the system without single stages of mapping, or without one of its residuals."""

from dataclasses import replace
from typing import get_args

from scenecode.slam.config.mapping import StageConfig
from scenecode.slam.config.residuals import ResidualConfig, Term
from scenecode.slam.config.slam_config import SlamConfig

#: The stage of the paper's schedule that is off by default.
_SEMANTICS = StageConfig("semantics", 3, 4)
#: Stages run, by the name of the row; each row adds to the one above.  Without any, poses are
#: those of tracking, codes are zero and depth has the scale that the network predicts.  Depth is
#: that of the codes and labels are those of each keyframe alone.
STAGES = {"zero code, tracking alone": (),
          "poses": ("geometry",),
          "+ geometry": ("geometry",),
          "+ semantics": ("geometry", "semantics"),
          "+ joint": ("geometry", "semantics", "joint")}
#: The row in which depth codes stay zero: poses, scales and landmarks are optimised.
POSES = "poses"
#: The whole schedule, with depth from images of several keyframes.
DEPTH = "+ multi-view depth"
#: And with labels fused over all keyframes that see a surface: everything.
ALL = "+ labels of several views"
#: Everything but the semantic stage and term.
DEFAULT = "all but semantics, the default"
#: Standard deviation of the prior by which codes stay zero.
_NO_CODE = 1e-4


def stage_variants(config: SlamConfig) -> dict[str, SlamConfig]:
    """By the name of the row, ``config`` with the paper's schedule cut off after each stage, and
    whole, without and with what several views say of depth and labels; and without semantics."""
    default, config = _without_semantics(config), _with_semantics(config)
    own_labels = replace(config, fusion=replace(config.fusion, labels="none"))
    refinement = replace(config.fusion.refinement, method="none")
    own = replace(own_labels, fusion=replace(own_labels.fusion, refinement=refinement))
    rows = {name: _scheduled(own, tuple(s for s in config.mapping.schedule if s.stage in stages))
            for name, stages in STAGES.items()}
    rows[POSES] = _with_residuals(rows[POSES], replace(config.mapping.residuals,
                                                       code_sigma=_NO_CODE))
    return rows | {DEPTH: own_labels, ALL: config, DEFAULT: default}


def residual_variants(config: SlamConfig) -> dict[str, SlamConfig]:
    """By the name of the row, ``config`` with all residuals of mapping, then without one of them
    or another part that depth depends on.

    Tracking is photometric in every row.  Loops need landmarks, too.
    """
    config = _with_semantics(config)
    landmarks = replace(config.mapping.landmarks, per_keyframe=0)
    return {"all": config,
            "no photometric": _without(config, "photometric"),
            "no geometric": _without(config, "geometric"),
            "no semantic in the joint stage": _scheduled(config, _geometry_for_joint(config)),
            "no semantic": _without_semantics(config),
            "no landmarks (nor loops)": replace(config, mapping=replace(config.mapping,
                                                                        landmarks=landmarks)),
            "no code prior": _without(config, "code"),
            "no visibility weights": _with_residuals(config, replace(config.mapping.residuals,
                                                                     visibility_weights=False)),
            "no scale from neighbours": replace(config, mapping=replace(config.mapping,
                                                                        scale_share=0.0))}


def _with_semantics(config: SlamConfig) -> SlamConfig:
    """The paper's mapping: before the joint stage and in it, semantic codes of the window's
    keyframes are made to agree (equation 8)."""
    schedule, terms = config.mapping.schedule, config.mapping.residuals.terms
    stages = [stage.stage for stage in schedule]
    if _SEMANTICS.stage not in stages:
        first = stages.index("joint") if "joint" in stages else len(stages)
        schedule = (*schedule[:first], _SEMANTICS, *schedule[first:])
    residuals = replace(config.mapping.residuals, terms=tuple(
        term for term in get_args(Term) if term == "semantic" or term in terms))
    return replace(config, mapping=replace(config.mapping, schedule=schedule, residuals=residuals))


def _without_semantics(config: SlamConfig) -> SlamConfig:
    config = _without(config, "semantic")
    schedule = tuple(s for s in config.mapping.schedule if s.stage != _SEMANTICS.stage)
    return replace(config, mapping=replace(config.mapping, schedule=schedule))


def _scheduled(config: SlamConfig, schedule: tuple[StageConfig, ...]) -> SlamConfig:
    # without stages no landmark is triangulated, which depth could be refined by
    refinement = config.fusion.refinement if schedule else \
        replace(config.fusion.refinement, method="none")
    mapping = replace(config.mapping, schedule=schedule,
                      scale_share=config.mapping.scale_share if schedule else 0.0)
    return replace(config, mapping=mapping, fusion=replace(config.fusion, refinement=refinement))


def _geometry_for_joint(config: SlamConfig) -> tuple[StageConfig, ...]:
    """The schedule with the same steps of poses and depth, but labels are not optimised."""
    return tuple(replace(s, stage="geometry") if s.stage == "joint" else s
                 for s in config.mapping.schedule)


def _with_residuals(config: SlamConfig, residuals: ResidualConfig) -> SlamConfig:
    return replace(config, mapping=replace(config.mapping, residuals=residuals))


def _without(config: SlamConfig, term: Term) -> SlamConfig:
    terms = tuple(name for name in config.mapping.residuals.terms if name != term)
    return _with_residuals(config, replace(config.mapping.residuals, terms=terms))
