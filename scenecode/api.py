"""Single calls for those who want a part of the system: NumPy arrays in, NumPy arrays out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from scenecode.core.errors import DataError
from scenecode.core.images import image_to_uint8
from scenecode.networks.classes import ClassSet
from scenecode.networks.inference.checkpoint import load_predictor
from scenecode.networks.prediction import Predictor, checked_prediction
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.proximity import depth_std
from scenecode.slam.fusion.label_fusion import LabelFusion
from scenecode.slam.fusion.label_views import LabelView
from scenecode.slam.sources.base.rectifier import Rectifier


@dataclass(frozen=True)
class ImagePrediction:
    """The prediction of a network for one image, at the network's image size: (H, W)."""

    #: (H, W, 3) uint8, the image as the network saw it: undistorted, cropped and resized
    image: np.ndarray
    #: the ideal pinhole camera of ``image``
    camera: PinholeCamera
    #: (H, W) float32, z in metres
    depth: np.ndarray
    #: (H, W) float32, standard deviation of depth in metres
    depth_std: np.ndarray
    #: (H, W) uint8 class ids
    labels: np.ndarray
    #: (C, H, W) float32
    probabilities: np.ndarray
    #: names and colours of the C classes
    classes: ClassSet


def predict(image: np.ndarray, camera: PinholeCamera,
            predictor: Predictor | None = None) -> ImagePrediction:
    """Depth and labels of one image, without any other.

    ``image`` (H, W, 3) uint8 RGB as ``camera`` took it; ``predictor`` is the shipped network by
    default, loaded again at every call: give one of ``load_predictor`` for many images.  Raises
    ``DataError`` for an image that does not fit the camera, ``PredictionError`` for an answer
    of the network that cannot be used.
    """
    predictor = load_predictor() if predictor is None else predictor
    rectifier = Rectifier.for_camera(camera, predictor.width, predictor.height)
    _require_fit(image, camera)
    frame = rectifier.frame(0, 0.0, image)
    size = predictor.width, predictor.height
    prediction = checked_prediction(predictor, frame.image, frame.camera)
    maps = prediction.resized(*size)
    depth = maps.depth()
    probabilities = torch.softmax(maps.logits(), 0)
    return ImagePrediction(
        image=image_to_uint8(frame.image), camera=frame.camera, depth=depth.cpu().numpy(),
        depth_std=depth_std(depth, maps.prox_b, maps.average_depth).cpu().numpy(),
        labels=probabilities.argmax(0).byte().cpu().numpy(),
        probabilities=probabilities.cpu().numpy(), classes=prediction.classes)


def make_label_view(image: np.ndarray, depth: np.ndarray, T_world_cam: np.ndarray,
                    camera: PinholeCamera, predictor: Predictor) -> LabelView:
    """A view of any RGB-D or other system, labelled by a network, for ``fuse_labels``.

    ``image`` (H, W, 3) uint8 RGB and ``depth`` (H, W) z in metres (0 or not finite: unknown),
    both as ``camera`` took them; ``T_world_cam`` (4, 4).  The view has the size that the network
    takes.
    Raises ``DataError`` for arrays that do not fit the camera and for a ``T_world_cam`` that is
    no rigid motion.
    """
    _require_fit(image, camera)
    depth, pose = np.asarray(depth), np.asarray(T_world_cam, np.float32)
    if depth.shape != (camera.height, camera.width) or depth.dtype.kind != "f":
        raise DataError(f"depth of shape {depth.shape} and type {depth.dtype}; the camera needs "
                        f"({camera.height}, {camera.width}) floating-point numbers, z in metres")
    if pose.shape != (4, 4) or not _is_rigid(pose):
        raise DataError("T_world_cam must be a (4, 4) matrix of a rotation and a translation in "
                        f"metres, with the last row 0 0 0 1; got {pose.tolist()}")
    depth = np.where(np.isfinite(depth), depth, 0).astype(np.float32)
    rectifier = Rectifier.for_camera(camera, predictor.width, predictor.height)
    frame = rectifier.frame(0, 0.0, image)
    return LabelView(camera=frame.camera,
                     T_world_cam=torch.from_numpy(pose.copy()),
                     image=frame.image, depth=rectifier.nearest(depth),
                     prediction=checked_prediction(predictor, frame.image, frame.camera))


def fuse_labels(views: Sequence[LabelView], method: str = "multiplication") -> np.ndarray:
    """(C, H, W) float32 class probabilities of the first view's pixels, given all views.

    ``method``: ``none`` (the first view alone), ``multiplication`` or ``average`` element by
    element, ``average_along_surfaces``, ``code`` or ``code_alone`` through the network's
    semantic codes; see ``scenecode.slam.fusion.label_fusion``.  Raises ``ConfigError`` for
    another method or no views.
    """
    return LabelFusion(views).fuse(method).cpu().numpy()


def _is_rigid(pose: np.ndarray) -> bool:
    R = pose[:3, :3]
    return bool(np.isfinite(pose).all() and np.allclose(R @ R.T, np.eye(3), atol=1e-3)
                and np.linalg.det(R) > 0 and np.allclose(pose[3], (0, 0, 0, 1)))


def _require_fit(image: np.ndarray, camera: PinholeCamera) -> None:
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.shape != (camera.height, camera.width, 3):
        raise DataError(f"an image of shape {image.shape} and type {image.dtype}; the camera "
                        f"needs ({camera.height}, {camera.width}, 3) uint8 RGB")
