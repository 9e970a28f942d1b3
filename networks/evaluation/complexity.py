"""How large a network is, and how much it computes for an image."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from scenecode.networks.families.network import Network


@dataclass(frozen=True)
class Complexity:
    """Size and operations of a network at its image size."""

    #: trained values
    parameters: int
    #: floating-point operations of an image, a multiplication and an addition counting as two:
    #: convolutions and matrix products of everything before derivatives by codes and a dense
    #: random field
    flops: int

    @staticmethod
    def of(network: Network) -> "Complexity":
        """Of a network on any device; on ``meta`` nothing is allocated or computed."""
        image = torch.empty(1, 3, network.height, network.width, device=network.device)
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            network.compute_maps(image)
        return Complexity(parameters=sum(p.numel() for p in network.parameters()),
                          flops=counter.get_total_flops())
