"""All settings of the running system, with the defaults it ships."""

from dataclasses import dataclass
from typing import Literal

from scenecode.networks.inference.precision import Precision
from scenecode.slam.config.fusion import FusionConfig
from scenecode.slam.config.keyframes import KeyframeConfig
from scenecode.slam.config.mapping import MappingConfig
from scenecode.slam.config.setting import check_ranges, group, setting
from scenecode.slam.config.tracking import TrackingConfig
from scenecode.slam.records.frame import PYRAMID_LEVELS

#: Longer side of a network's images as a multiple of the shorter one.
_MAX_ASPECT = 5


#: The setting ``model`` that means the shipped network.
DEFAULT_MODEL = "default"


def weights_of(model: str) -> str | None:
    """What ``scenecode.networks.inference.combined.model_files`` takes for a setting ``model``."""
    return None if model == DEFAULT_MODEL else model


@dataclass(frozen=True)
class SlamConfig:
    """The whole system."""

    width: int = setting(256, "width of the network's images", unit="pixels", basic=True,
                         minimum=16)
    height: int = setting(192, "height of the network's images", unit="pixels", basic=True,
                          minimum=16)
    model: str = setting(DEFAULT_MODEL, "weights: a shipped name, a file, or two of these as "
                         "DEPTH+LABELS", basic=True)
    device: str = setting("auto", "auto, cpu or cuda", basic=True)
    precision: Precision = setting(
        "float32", "of the network: float32, bfloat16, or auto (bfloat16 where the device has it)",
        basic=True)
    dynamic: Literal["keep", "mask"] = setting(
        "keep", "people and vehicles, which may move: keep them, or mask them out of tracking and "
        "map")
    tracking: TrackingConfig = group(
        TrackingConfig, "alignment of every frame to a keyframe")
    keyframes: KeyframeConfig = group(
        KeyframeConfig, "a frame becomes a keyframe when any of these limits is exceeded")
    mapping: MappingConfig = group(
        MappingConfig, "the keyframe graph and the sliding window that is optimised")
    fusion: FusionConfig = group(FusionConfig, "the fused map that files and viewers show")

    def __post_init__(self):
        check_ranges(self, "")
        if max(self.width, self.height) > _MAX_ASPECT * min(self.width, self.height):
            raise ValueError(f"of width and height one must be at most {_MAX_ASPECT} times the "
                             f"other; got {self.width} and {self.height}")
        used = [stage.level for stage in self.mapping.schedule]
        used += [self.mapping.geometric_level, self.mapping.semantic_level, self.fusion.level]
        if min(used) < 0 or max(used) >= PYRAMID_LEVELS:
            raise ValueError(f"pyramid levels of mapping and fusion must be 0 to "
                             f"{PYRAMID_LEVELS - 1}; got {min(used)} to {max(used)}")
