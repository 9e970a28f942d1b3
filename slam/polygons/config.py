"""What can be chosen about polygon maps."""

from dataclasses import dataclass

from scenecode.slam.config.setting import check_ranges, setting


@dataclass(frozen=True)
class PolygonConfig:
    """Superpixels of keyframes as labelled planar polygons in the world."""

    superpixel: float = setting(
        256.0, "size of a superpixel on average", unit="pixels", minimum=16)
    compactness: float = setting(
        15.0, "difference of CIELAB colours that counts as much as the width of a superpixel",
        positive=True)
    label_penalty: float = setting(
        10.0, "squared distance that another label adds to that of a pixel", minimum=0)
    min_region: int = setting(
        12, "size from which a region of one label gets a superpixel of its own", unit="pixels",
        minimum=1)
    tolerance: float = setting(
        1.5, "distance of a boundary from its polygon between superpixels of one label",
        unit="pixels", minimum=0)
    label_tolerance: float = setting(
        0.75, "the same between different labels", unit="pixels", minimum=0)
    max_depth: float = setting(
        40.0, "depth beyond which polygons are left out", unit="m", positive=True)
    max_depth_ratio: float = setting(
        1.6, "ratio of the largest and the least depth of a polygon from which it is left out, "
        "unless it is ground: it spans an edge of depth", positive=True)
    covered: float = setting(
        0.85, "share of a polygon that other keyframes show from nearer by from which it is left "
        "out; 1 keeps all", unit="0-1")
    baseline: float = setting(
        0.54, "distance of the two cameras that disparities in pixels are of: KITTI's", unit="m",
        positive=True)
    mask_moving: bool = setting(False, "whether people and vehicles are left out")

    def __post_init__(self):
        check_ranges(self, "polygons.")
