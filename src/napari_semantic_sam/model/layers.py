"""Building blocks that both decoders share."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from napari_semantic_sam.model.linear import Linear


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
        inner = (Linear(*pair, activation="relu") for pair in pairwise(widths[:-1]))
        self.layers = nn.ModuleList([*inner, Linear(widths[-2], outputs)])

    def forward(self, values: Tensor) -> Tensor:
        """Turn (..., inputs) into (..., outputs)."""
        for layer in self.layers:
            values = layer(values)
        return values
