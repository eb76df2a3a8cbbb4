"""Building blocks that both decoders share."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU in between.

    Parameters
    ----------
    inputs, hidden, outputs : int
        Widths.
    depth : int
        Number of linear layers.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, depth: int) -> None:
        super().__init__()
        widths = [inputs, *[hidden] * (depth - 1), outputs]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))

    def forward(self, values: Tensor) -> Tensor:
        """Turn (..., inputs) into (..., outputs)."""
        for layer in self.layers[:-1]:
            values = layer(values).relu_()
        return self.layers[-1](values)
