"""Parameters of a dense conditional random field."""

from dataclasses import dataclass
from typing import Final, Literal

#: Width in pixels of the images for which the widths of the kernels are stated.
REFERENCE_WIDTH = 513


@dataclass(frozen=True)
class DenseCRFConfig:
    """The kernels, their initial weights and the effort of inference.

    The defaults are those of Mousavian et al. 2016, section 4.1.  Distances in the image are
    pixels at a width of ``REFERENCE_WIDTH`` and scale with the width of the image.
    """

    #: standard deviations of the appearance kernel: distance in the image, and difference of
    #: colour in 0 to 255
    appearance_distance: float = 160.0
    appearance_colour: float = 3.0
    #: of the depth kernel: distance in the image, and difference of depth in metres
    depth_distance: float = 50.0
    depth_metres: float = 0.2
    #: of the smoothness kernel: distance in the image
    smoothness_distance: float = 3.0
    #: initial weights of the three kernels; normalised kernels sum to about 1 at each pixel, and a
    #: depth kernel of weight 0 is left out
    appearance_weight: float = 7.0
    depth_weight: float = 4.0
    smoothness_weight: float = 3.0
    #: mean-field updates in training and in use
    training_iterations: int = 5
    iterations: int = 10
    #: images of more pixels are reduced by a whole factor for the pairwise energies, which are
    #: smooth; the unary energies keep their resolution
    max_pixels: int = 20_000
    #: how the kernels of appearance and depth are computed: approximately, in linear time, or
    #: from all pairs of pixels, for which ``max_pixels`` should be at most 65^2
    backend: Literal["lattice", "exact"] = "lattice"
    #: labels that no pixel of the image has with this probability take no part in inference
    min_probability: float = 0.01

    def __post_init__(self) -> None:
        deviations = (self.appearance_distance, self.appearance_colour, self.depth_distance,
                      self.depth_metres, self.smoothness_distance)
        if min(deviations) <= 0:
            raise ValueError("the standard deviations of all kernels must be positive; got "
                             f"{self}")
        if min(self.training_iterations, self.iterations, self.max_pixels) < 1:
            raise ValueError("training_iterations, iterations and max_pixels must be at least 1; "
                             f"got {self}")
        if not 0 <= self.min_probability < 1:
            raise ValueError(f"min_probability must lie in [0, 1), got {self.min_probability}")

    @property
    def weights(self) -> tuple[float, float, float]:
        """Of appearance, depth and smoothness."""
        return self.appearance_weight, self.depth_weight, self.smoothness_weight


#: For a network that no field was trained with: chosen on the held-out images of NYUv2 train
#: (docs/papers.md).  The paper's weights are too strong for such a network, and depth, even the
#: true one, adds nothing to colour.
UNTRAINED_FIELD: Final = DenseCRFConfig(
    appearance_colour=10.0, smoothness_distance=8.0, appearance_weight=2.0, depth_weight=0.0,
    smoothness_weight=2.0)
