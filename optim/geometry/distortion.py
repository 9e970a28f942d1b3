"""Lens distortion models: how a lens images the directions of rays at focal length 1.

Every model maps a ray in the camera's frame (x right, y down, z along the optical axis) to a
point (x, y) of the image plane of a camera with focal length 1 and principal point 0;
``PinholeCamera`` scales that to pixels.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from math import isfinite, pi, radians, tan
from typing import Protocol

import torch
from torch import Tensor

#: Angles from the optical axis at which a projection that divides by z is evaluated, at most.
_LARGEST_PINHOLE_ANGLE = radians(89.5)
#: Samples of the angle in ``_monotonic_range``.
_ANGLES = 2048
#: Below this distance from the axis (relative to z) closed forms divide zero by zero.
_ON_AXIS = 1e-12


class DistortionModel(Protocol):
    """An immutable set of coefficients; ``ValueError`` for values that no lens has."""

    @property
    def is_identity(self) -> bool:
        """True when the lens images as an ideal pinhole does."""
        ...

    @property
    def is_wide_angle(self) -> bool:
        """True for models of lenses that see more than fits an ideal image of their focal length
        and size."""
        ...

    @property
    def largest_angle(self) -> float:
        """Radians from the optical axis up to which rays and image points correspond one to one;
        beyond, the polynomial folds back."""
        ...

    def distort(self, rays: Tensor) -> Tensor:
        """Rays (..., 3) of any length to image points (..., 2) at focal length 1."""
        ...

    def turned(self, quarter_turns: int) -> "DistortionModel":
        """The model for images that were turned clockwise so many times by 90 degrees."""
        ...


@dataclass(frozen=True)
class BrownConrady:
    """Radial and tangential distortion of the ideal image point, as in OpenCV ("radtan",
    "plumb_bob"), with the denominator of OpenCV's rational model (Brown 1966; OpenCV
    ``calib3d``)::

        x' = x (1 + k1 r^2 + k2 r^4 + k3 r^6) / (1 + k4 r^2 + k5 r^4 + k6 r^6)
             + 2 p1 x y + p2 (r^2 + 2 x^2)
    """

    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    k5: float = 0.0
    k6: float = 0.0

    def __post_init__(self):
        _check_finite(astuple(self))

    @property
    def is_identity(self) -> bool:
        return not any(astuple(self))

    @property
    def is_wide_angle(self) -> bool:
        return False

    @property
    def largest_angle(self) -> float:
        return _monotonic_range(self.distort, _LARGEST_PINHOLE_ANGLE)

    def distort(self, rays: Tensor) -> Tensor:
        x, y = rays[..., 0] / rays[..., 2], rays[..., 1] / rays[..., 2]
        r2 = x * x + y * y
        radial = (1 + r2 * (self.k1 + r2 * (self.k2 + r2 * self.k3))) \
            / (1 + r2 * (self.k4 + r2 * (self.k5 + r2 * self.k6)))
        return torch.stack([
            x * radial + 2 * self.p1 * x * y + self.p2 * (r2 + 2 * x * x),
            y * radial + self.p1 * (r2 + 2 * y * y) + 2 * self.p2 * x * y], -1)

    def turned(self, quarter_turns: int) -> "BrownConrady":
        # the tangential part is 2 x (q . x) + q r^2 with q = (p2, p1), and turns as q does
        q_x, q_y = self.p2, self.p1
        for _ in range(quarter_turns % 4):
            q_x, q_y = -q_y, q_x
        return replace(self, p1=q_y, p2=q_x)


@dataclass(frozen=True)
class KannalaBrandt:
    """Equidistant fisheye: the distance from the principal point is a polynomial of the angle
    from the optical axis (Kannala and Brandt 2006; OpenCV ``fisheye``, Kalibr ``equi``)::

        r = t (1 + k1 t^2 + k2 t^4 + k3 t^6 + k4 t^8)
    """

    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0

    def __post_init__(self):
        _check_finite(astuple(self))

    @property
    def is_identity(self) -> bool:
        return False

    @property
    def is_wide_angle(self) -> bool:
        return True

    @property
    def largest_angle(self) -> float:
        return _monotonic_range(self.distort, pi)

    def distort(self, rays: Tensor) -> Tensor:
        across = torch.linalg.norm(rays[..., :2], dim=-1)
        angle = torch.atan2(across, rays[..., 2])
        t2 = angle * angle
        radius = angle * (1 + t2 * (self.k1 + t2 * (self.k2 + t2 * (self.k3 + t2 * self.k4))))
        on_axis = across <= _ON_AXIS * rays[..., 2].abs()
        scale = torch.where(on_axis, 1 / rays[..., 2],
                            radius / torch.where(on_axis, torch.ones_like(across), across))
        return rays[..., :2] * scale.unsqueeze(-1)

    def turned(self, quarter_turns: int) -> "KannalaBrandt":
        return self


@dataclass(frozen=True)
class FieldOfView:
    """One-parameter model of Devernay and Faugeras (2001), equation 13, as DSO and the TUM
    monocular data set use it; ``omega`` in radians, in (0, pi)::

        r = arctan(2 r_ideal tan(omega / 2)) / omega
    """

    omega: float

    def __post_init__(self):
        if not 0 < self.omega < pi:
            raise ValueError(f"the FOV model's omega must be in (0, pi) radians, got {self.omega}")

    @property
    def is_identity(self) -> bool:
        return False

    @property
    def is_wide_angle(self) -> bool:
        return True

    @property
    def largest_angle(self) -> float:
        return _LARGEST_PINHOLE_ANGLE

    def distort(self, rays: Tensor) -> Tensor:
        ideal = rays[..., :2] / rays[..., 2:]
        r = torch.linalg.norm(ideal, dim=-1, keepdim=True)
        slope = 2 * tan(0.5 * self.omega)
        on_axis = r <= _ON_AXIS
        safe = torch.where(on_axis, torch.ones_like(r), r)
        return ideal * torch.where(on_axis, torch.full_like(r, slope / self.omega),
                                   torch.atan(slope * r) / (self.omega * safe))

    def turned(self, quarter_turns: int) -> "FieldOfView":
        return self


def _check_finite(coefficients: tuple[float, ...]) -> None:
    if not all(isfinite(c) for c in coefficients):
        raise ValueError(f"distortion coefficients must be finite numbers, got {coefficients}")


def _monotonic_range(distort: Callable[[Tensor], Tensor], limit: float) -> float:
    """Largest angle (radians, below ``limit``) up to which the image radius grows with it."""
    angle = torch.linspace(0, limit, _ANGLES + 1, dtype=torch.float64)[:-1]
    zero = torch.zeros_like(angle)
    right = distort(torch.stack([angle.sin(), zero, angle.cos()], -1))[:, 0]
    left = distort(torch.stack([-angle.sin(), zero, angle.cos()], -1))[:, 0]
    # the difference of both sides is free of the tangential part
    shrinks = (right - left).diff() <= 0
    return float(angle[int(shrinks.int().argmax())] if shrinks.any() else angle[-1])
