"""Which keyframes look at what a camera looks at, from poses and coarse depth alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from scenecode.optim.geometry import se3
from scenecode.optim.geometry.camera import MIN_DEPTH, PinholeCamera
from scenecode.optim.warp import ViewState
from scenecode.slam.map.graph import KeyframeGraph

#: Columns and rows of the grid of pixels that stands for an image.
_COLUMNS, _ROWS = 8, 6


@dataclass(frozen=True)
class ViewOverlaps:
    """How the views of K keyframes compare with that of a camera."""

    #: (K,) the keyframes
    numbers: Tensor
    #: (K,) share of the image of either that is in view of the other, the smaller one
    overlap: Tensor
    #: (K,) distance of the camera from the keyframe, over the keyframe's median depth
    translation: Tensor
    #: (K, 4, 4) T_cam_key
    T_cam_key: Tensor


@dataclass(frozen=True)
class _CoarseView:
    """A keyframe as a grid of points."""

    #: (P, 3) in the keyframe's frame, at scale 1
    points: Tensor
    #: (6,) fx, fy, cx, cy, width, height
    camera: Tensor
    #: those for which it was computed
    state: ViewState
    scale: float


class CoarseViews:
    """The coarse views of all keyframes of a map, in arrays.  Owned by the mapping thread."""

    def __init__(self) -> None:
        self._views: dict[int, _CoarseView] = {}
        #: the stacked views, None after a change
        self._stacked: tuple[Tensor, Tensor, Tensor, Tensor] | None = None

    def update(self, graph: KeyframeGraph, numbers: list[int]) -> None:
        """Take over what has changed of the map's keyframes since the last call."""
        changed = False
        for number in self._views.keys() - set(numbers):
            del self._views[number]
            changed = True
        for number in numbers:
            keyframe, state = graph.keyframes[number], graph.states[number]
            known = self._views.get(number)
            if known is not None and known.state is state and known.scale == keyframe.scale:
                continue
            points = graph.geometry(number).grid.cpu().double() / keyframe.scale
            self._views[number] = _CoarseView(points=points, camera=_camera_row(keyframe.camera),
                                              state=state, scale=keyframe.scale)
            changed = True
        if changed:
            self._stacked = None

    def overlaps(self, T_world_cam: Tensor, camera: PinholeCamera) -> ViewOverlaps:
        """Compare all views with that of a camera at a pose (4, 4).

        The depth of the camera's image is not known; the median depth of the keyframe's points
        in view stands for it.
        """
        numbers, points, cameras, poses = self._arrays()
        T_cam_key = se3.inverse(T_world_cam.detach().cpu().double()) @ poses
        own = _camera_row(camera).expand(len(numbers), 6)
        x = points @ T_cam_key[:, :3, :3].mT + T_cam_key[:, None, :3, 3]
        seen = _in_view(x, own)
        depth = torch.where(seen, x[..., 2], torch.nan).nanmedian(1).values.nan_to_num(nan=-1.0)
        rays = camera.rays(_grid(camera))
        back = se3.inverse(T_cam_key)
        y = depth[:, None, None] * (rays @ back[:, :3, :3].mT) + back[:, None, :3, 3]
        seen_back = _in_view(y, cameras) & (depth > 0)[:, None]
        overlap = torch.minimum(seen.double().mean(1), seen_back.double().mean(1))
        return ViewOverlaps(
            numbers=numbers, overlap=overlap, T_cam_key=T_cam_key,
            translation=T_cam_key[:, :3, 3].norm(dim=1) / points[..., 2].median(1).values)

    def _arrays(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Numbers (K,), points (K, P, 3), cameras (K, 6) and poses T_world_cam (K, 4, 4)."""
        if self._stacked is None:
            views = self._views.values()
            scales = torch.tensor([v.scale for v in views], dtype=torch.float64)
            empty = torch.zeros(0, 1, 3), torch.zeros(0, 6), torch.zeros(0, 4, 4)
            points, cameras, poses = (part.double() for part in empty) if not self._views else (
                torch.stack([v.points for v in views]) * scales[:, None, None],
                torch.stack([v.camera for v in views]),
                torch.stack([v.state.T_world_cam.cpu().double() for v in views]))
            self._stacked = torch.tensor([*self._views]), points, cameras, poses
        return self._stacked


def _camera_row(camera: PinholeCamera) -> Tensor:
    return torch.tensor([camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height],
                        dtype=torch.float64)


def _grid(camera: PinholeCamera) -> Tensor:
    """(P, 2) the centres of the tiles of an image."""
    u = (torch.arange(_COLUMNS, dtype=torch.float64) + 0.5) / _COLUMNS * camera.width - 0.5
    v = (torch.arange(_ROWS, dtype=torch.float64) + 0.5) / _ROWS * camera.height - 0.5
    rows, columns = torch.meshgrid(v, u, indexing="ij")
    return torch.stack([columns.flatten(), rows.flatten()], 1)


def _in_view(x: Tensor, cameras: Tensor) -> Tensor:
    """(K, P) bool: points (K, P, 3) that project into the images of cameras (K, 6)."""
    fx, fy, cx, cy, width, height = cameras[:, None].unbind(-1)
    z = x[..., 2].clamp(min=MIN_DEPTH)
    u, v = fx * x[..., 0] / z + cx, fy * x[..., 1] / z + cy
    return (x[..., 2] > MIN_DEPTH) & (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
