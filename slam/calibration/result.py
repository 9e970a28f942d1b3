"""A calibrated camera with its standard deviations, as JSON and as a calibration file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy import ndarray

from scenecode.core.atomic_write import write_bytes
from scenecode.optim.geometry.camera import PinholeCamera
from scenecode.optim.geometry.distortion import BrownConrady

#: The numbers of a calibration, in OpenCV's order.
NAMES = ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2")
#: Cells of an image along each side, of which the coverage is a share.
COVERAGE_CELLS = 8


@dataclass(frozen=True, kw_only=True)
class CalibratedCamera:
    """Numbers in pixels of the original images, pixel centres at integers."""

    camera: PinholeCamera
    #: standard deviations under ``NAMES``; 0 for a number that was not estimated
    std: Mapping[str, float]
    #: standard deviation of the shift by distortion at the left image edge, pixels
    edge_sigma: float
    #: root mean square reprojection error in pixels
    rms: float
    #: what it was measured from, in words
    method: str
    #: observed pixels (O, 2) and their residuals (O, 2), of the original images
    pixels: ndarray
    residuals: ndarray

    @property
    def coverage(self) -> float:
        """Share of the image's cells, ``COVERAGE_CELLS`` along each side, in which something was
        observed."""
        size = np.array([self.camera.width, self.camera.height])
        cell = np.clip(COVERAGE_CELLS * (self.pixels + 0.5) / size, 0, COVERAGE_CELLS - 1)
        return len(np.unique(cell.astype(int), axis=0)) / COVERAGE_CELLS ** 2

    @property
    def values(self) -> dict[str, float]:
        """Under ``NAMES``."""
        camera, lens = self.camera, self.camera.distortion
        assert isinstance(lens, BrownConrady)
        return dict(zip(NAMES, (camera.fx, camera.fy, camera.cx, camera.cy, lens.k1, lens.k2,
                                lens.p1, lens.p2), strict=True))

    def as_json(self) -> dict[str, Any]:
        """What ``scenecode calibrate --json`` prints."""
        return {**self.values, "std": dict(self.std), "rms": self.rms,
                "width": self.camera.width, "height": self.camera.height, "method": self.method,
                "observations": len(self.pixels), "coverage": self.coverage}

    def write(self, path: Path) -> None:
        """OpenCV's and ROS' YAML, which ``--calib`` reads; raises ``OSError``."""
        v = self.values
        content = {
            "image_width": self.camera.width, "image_height": self.camera.height,
            "distortion_model": "plumb_bob",
            "camera_matrix": {"rows": 3, "cols": 3, "data": [
                v["fx"], 0.0, v["cx"], 0.0, v["fy"], v["cy"], 0.0, 0.0, 1.0]},
            "distortion_coefficients": {"rows": 1, "cols": 5, "data": [
                v["k1"], v["k2"], v["p1"], v["p2"], _k3(self.camera)]},
            "standard_deviations": dict(self.std), "reprojection_rms": self.rms,
            "method": self.method}
        write_bytes(path, yaml.safe_dump(content, sort_keys=False).encode())


def scaled_result(camera: PinholeCamera, sigma: Mapping[str, float], rms: float, method: str,
                  pixels: ndarray, residuals: ndarray, width: int, height: int,
                  edge_sigma: float = 0.0) -> CalibratedCamera:
    """Of a camera that was measured in resized images, for originals of this size."""
    sx, sy = width / camera.width, height / camera.height
    factor = {"fx": sx, "fy": sy, "cx": sx, "cy": sy}
    return CalibratedCamera(
        camera=camera.resized(width, height),
        std={name: float(sigma[name] * factor.get(name, 1.0)) for name in NAMES},
        rms=rms * sx, edge_sigma=edge_sigma * sx, method=method,
        pixels=(pixels + 0.5) * np.array([sx, sy]) - 0.5,
        residuals=residuals * np.array([sx, sy]))


def _k3(camera: PinholeCamera) -> float:
    lens = camera.distortion
    return lens.k3 if isinstance(lens, BrownConrady) else 0.0
