"""The lens that self-calibration estimates: one focal length, the principal point, two
coefficients of radial distortion (Brown 1966; OpenCV's k1 and k2), and its shutter."""

from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady

#: Order of the parameters in vectors: the logarithm of the focal length, the principal point in
#: pixels, the distortion, and the seconds that a rolling shutter takes across and down the image.
PARAMETERS = ("log_f", "cx", "cy", "k1", "k2", "across", "down")
LOG_F, CX, CY, K1, K2, ACROSS, DOWN = range(7)
#: Fixed-point iterations of ``undistorted``.
_UNDISTORT_ITERATIONS = 8


@dataclass(frozen=True)
class Lens:
    """Parameters as one vector (7,), see ``PARAMETERS``."""

    vector: ndarray

    @staticmethod
    def ideal(focal: float, width: int, height: int) -> "Lens":
        """Without distortion, the principal point in the middle of the image."""
        return Lens.without_distortion(focal, 0.5 * (width - 1), 0.5 * (height - 1))

    @staticmethod
    def without_distortion(focal: float, cx: float, cy: float) -> "Lens":
        """In pixels; its shutter exposes all rows at once."""
        vector = np.zeros(len(PARAMETERS))
        vector[[LOG_F, CX, CY]] = np.log(focal), cx, cy
        return Lens(vector)

    @property
    def shutter(self) -> ndarray:
        """(2,) seconds across and down the image."""
        return self.vector[[ACROSS, DOWN]]

    @property
    def focal(self) -> float:
        """Pixels."""
        return float(np.exp(self.vector[LOG_F]))

    def camera(self, width: int, height: int) -> PinholeCamera:
        """For images of this size; ``ValueError`` for a focal length that no camera has."""
        cx, cy, k1, k2 = map(float, self.vector[CX:ACROSS])
        return PinholeCamera(fx=self.focal, fy=self.focal, cx=cx, cy=cy, width=width,
                             height=height, distortion=BrownConrady(k1=k1, k2=k2))

    def project(self, points: ndarray) -> tuple[ndarray, ndarray, ndarray]:
        """Camera points (N, 3) to pixels (N, 2), and the derivatives by the point (N, 2, 3) and
        by the lens (N, 2, 7); where nothing moves, the shutter does not matter."""
        f, k1, k2 = self.focal, self.vector[K1], self.vector[K2]
        z = points[:, 2]
        z = np.where(np.abs(z) < 1e-6, 1e-6, z)
        ideal = points[:, :2] / z[:, None]
        r2 = np.square(ideal).sum(1)
        radial = 1 + r2 * (k1 + r2 * k2)
        distorted = ideal * radial[:, None]
        slope = 2 * k1 + 4 * k2 * r2
        pixels_J_ideal = f * (radial[:, None, None] * np.eye(2)
                              + slope[:, None, None] * ideal[:, :, None] * ideal[:, None, :])
        ideal_J_point = np.zeros((len(points), 2, 3))
        ideal_J_point[:, 0, 0] = ideal_J_point[:, 1, 1] = 1 / z
        ideal_J_point[:, :, 2] = -ideal / z[:, None]
        by_lens = np.zeros((len(points), 2, len(PARAMETERS)))
        by_lens[:, :, LOG_F] = f * distorted
        by_lens[:, 0, CX] = by_lens[:, 1, CY] = 1
        by_lens[:, :, K1] = f * ideal * r2[:, None]
        by_lens[:, :, K2] = f * ideal * np.square(r2)[:, None]
        return f * distorted + self.vector[CX:CY + 1], pixels_J_ideal @ ideal_J_point, by_lens

    def undistorted(self, pixels: ndarray) -> ndarray:
        """Pixels (N, 2) to ideal image points (N, 2) at focal length 1."""
        distorted = (pixels - self.vector[CX:CY + 1]) / self.focal
        ideal = distorted
        for _ in range(_UNDISTORT_ITERATIONS):
            r2 = np.square(ideal).sum(1, keepdims=True)
            radial = 1 + r2 * (self.vector[K1] + r2 * self.vector[K2])
            ideal = distorted / np.maximum(radial, 0.2)
        return ideal
