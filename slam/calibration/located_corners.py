"""Corners of a reconstructed segment, located once more in images that look alike.

A corner that was tracked from keyframe to keyframe has wandered: each step adds an error, and
those of steps that turn or near add up.  Once poses, points and lens are known roughly, each view
is resampled to what one of a few reference views would see of it, where a patch is only shifted,
and every corner is located directly from its reference view.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy import ndarray
from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator

from scenecode.slam.adjustment.resampling import Resampling
from scenecode.slam.calibration.lens import Lens
from scenecode.slam.calibration.segment import Segment
from scenecode.slam.features.klt import KltConfig, track_corners

#: Of every so many views one is a reference.
_SPACING = 4
#: Corners that a reference view must share with another, and views that must see a point.
_MIN_CORNERS, _MIN_VIEWS = 8, 3
#: Resampling is computed at every n-th pixel of rows and columns, and interpolated.
_GRID = 4
_KLT = KltConfig(window=15, levels=2, max_return_error=0.15)


def located_again(segment: Segment, lens: Lens, images: Sequence[ndarray]) -> Segment:
    """The segment with its corners located from reference views, or as it is where none of these
    has enough corners; ``images`` (H, W) uint8 of all keyframes by number."""
    M, N = len(segment.t), len(segment.points)
    seen = np.zeros((M, N), bool)
    at = np.zeros((M, N, 2))
    seen[segment.view, segment.point] = True
    at[segment.view, segment.point] = segment.pixels
    shifts = np.zeros((M, N, 2, 2))
    shifts[segment.view, segment.point] = segment.shifts
    references = np.arange(min(_SPACING // 2, M - 1), M, _SPACING)
    reference = references[_nearest_seen(seen, references)]
    view, point, pixels = [], [], []
    for a in references.tolist():
        own = np.flatnonzero(seen[a] & (reference == a))
        if len(own) < _MIN_CORNERS:
            continue
        surface = _Surface.of(segment, lens, a, np.flatnonzero(seen[a]), images)
        found = [(a, own, at[a, own])]
        for b in np.flatnonzero(seen[:, own].sum(1) >= _MIN_CORNERS).tolist():
            if b != a:
                common = own[seen[b, own]]
                located, kept = surface.located(b, at[a, common])
                found.append((b, common[kept], located[kept]))
        for b, points, located in found:
            view.append(np.full(len(points), b))
            point.append(points)
            pixels.append(located)
    if not view:
        return segment
    views, points = np.concatenate(view), np.concatenate(point)
    observed = replace(segment, view=views, point=points, pixels=np.concatenate(pixels),
                       shifts=shifts[views, points])
    return observed.without(np.zeros(len(observed.view), bool), _MIN_VIEWS)


def _nearest_seen(seen: ndarray, references: ndarray) -> ndarray:
    """(N,) number of the reference nearest to the middle of the views (M, N) that see each point,
    of those that see it if there are any."""
    views = np.arange(len(seen))[:, None]
    middle = (seen * views).sum(0) / np.maximum(seen.sum(0), 1)
    far = np.abs(references[:, None] - middle) + len(seen) * ~seen[references]
    return far.argmin(0)


@dataclass(frozen=True, kw_only=True)
class _Surface:
    """What a reference view sees: its points, and triangles between them."""

    segment: Segment
    lens: Lens
    images: Sequence[ndarray]
    view: int
    #: (G, 3) points in the view's frame under a grid of its pixels (rows, columns)
    grid: ndarray
    shape: tuple[int, int]

    @staticmethod
    def of(segment: Segment, lens: Lens, view: int, points: ndarray,
           images: Sequence[ndarray]) -> "_Surface":
        height, width = images[segment.keyframes[view]].shape
        rows, columns = ((np.arange(n // _GRID) + 0.5) * _GRID - 0.5 for n in (height, width))
        pixels = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
        rays = np.column_stack([lens.undistorted(pixels), np.ones(len(pixels))])
        x = segment.R[view].apply(segment.points[points]) + segment.t[view]
        # along a plane the inverse of depth is linear in the image
        known, inverse = lens.project(x)[0], 1 / np.maximum(x[:, 2], 1e-6)
        proximity = LinearNDInterpolator(known, inverse)(pixels)
        outside = np.isnan(proximity)
        proximity[outside] = NearestNDInterpolator(known, inverse)(pixels[outside])
        return _Surface(segment=segment, lens=lens, images=images, view=view,
                        grid=rays / proximity[:, None], shape=(len(rows), len(columns)))

    def located(self, other: int, pixels: ndarray) -> tuple[ndarray, ndarray]:
        """Where pixels (N, 2) of this view are in another one, and a mask (N,) of those found."""
        s = self.segment
        image_a, image_b = (self.images[s.keyframes[view]] for view in (self.view, other))
        world = s.R[self.view].inv().apply(self.grid - s.t[self.view])
        x = s.R[other].apply(world) + s.t[other]
        height, width = image_a.shape
        columns, rows, in_front = (
            cv2.resize(values.reshape(self.shape).astype(np.float32), (width, height),
                       interpolation=cv2.INTER_LINEAR)
            for values in (*self.lens.project(x)[0].T, x[:, 2] > 0))
        h, w = image_b.shape
        inside = (columns >= 0) & (columns <= w - 1) & (rows >= 0) & (rows <= h - 1) \
            & (in_front == 1)
        resampling = Resampling(columns=columns, rows=rows, inside=inside.astype(np.float32))
        guess = torch.from_numpy(pixels).float()
        shifted, kept = track_corners(image_a, resampling.resampled(image_b), guess, guess, _KLT)
        found, is_inside = resampling.at(shifted)
        return found.double().numpy(), (kept & is_inside).numpy()
