"""Real-time monocular dense semantic SLAM: one camera in; poses, depth and a labelled map out.

    import scenecode

    with scenecode.System(camera=scenecode.PinholeCamera(525, 525, 320, 240, 640, 480)) as system:
        for timestamp, image in images:                   # (480, 640, 3) uint8 RGB
            T_world_cam = system.track(image, timestamp)  # (4, 4) float64, or None while lost
    points = system.snapshot.cloud.points                 # (N, 3) float32 metres, world frame

Everything in ``__all__`` is public and stays; what else the package holds may change.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scenecode.core.version import __version__

#: Module of each public name; imported when the name is first used.
_HOME = {
    "BrownConrady": "scenecode.optim.geometry.distortion",
    "ClassSet": "scenecode.networks.classes",
    "FieldOfView": "scenecode.optim.geometry.distortion",
    "Frame": "scenecode.slam.records.frame",
    "ImagePrediction": "scenecode.api",
    "KannalaBrandt": "scenecode.optim.geometry.distortion",
    "LabelView": "scenecode.slam.fusion.label_views",
    "PinholeCamera": "scenecode.optim.geometry.camera",
    "Prediction": "scenecode.networks.prediction",
    "Predictor": "scenecode.networks.prediction",
    "ScenecodeError": "scenecode.core.errors",
    "SlamConfig": "scenecode.slam.config.slam_config",
    "SavedMap": "scenecode.slam.output.saved_map",
    "Snapshot": "scenecode.slam.records.snapshot",
    "SourceOptions": "scenecode.slam.sources",
    "System": "scenecode.slam.system",
    "TrackedFrame": "scenecode.slam.tracking.tracker",
    "export": "scenecode.slam.exports.export",
    "fuse_labels": "scenecode.api",
    "load_predictor": "scenecode.networks.inference.checkpoint",
    "load_result": "scenecode.slam.output.result_folder",
    "make_label_view": "scenecode.api",
    "open_saved": "scenecode.slam.output.saved_map",
    "open_source": "scenecode.slam.sources",
    "predict": "scenecode.api",
}

if TYPE_CHECKING:
    from scenecode.api import ImagePrediction, fuse_labels, make_label_view, predict
    from scenecode.core.errors import ScenecodeError
    from scenecode.networks.classes import ClassSet
    from scenecode.networks.inference.checkpoint import load_predictor
    from scenecode.networks.prediction import Prediction, Predictor
    from scenecode.optim.geometry.camera import PinholeCamera
    from scenecode.optim.geometry.distortion import BrownConrady, FieldOfView, KannalaBrandt
    from scenecode.slam.config.slam_config import SlamConfig
    from scenecode.slam.exports.export import export
    from scenecode.slam.fusion.label_views import LabelView
    from scenecode.slam.output.result_folder import load_result
    from scenecode.slam.output.saved_map import SavedMap, open_saved
    from scenecode.slam.records.frame import Frame
    from scenecode.slam.records.snapshot import Snapshot
    from scenecode.slam.sources import SourceOptions, open_source
    from scenecode.slam.system import System
    from scenecode.slam.tracking.tracker import TrackedFrame

__all__ = ["BrownConrady", "ClassSet", "FieldOfView", "Frame", "ImagePrediction",
           "KannalaBrandt", "LabelView", "PinholeCamera", "Prediction",
           "Predictor", "SavedMap", "ScenecodeError", "SlamConfig", "Snapshot", "SourceOptions",
           "System", "TrackedFrame", "__version__", "export", "fuse_labels", "load_predictor",
           "load_result", "make_label_view", "open_saved", "open_source", "predict"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'scenecode' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
