"""Linear layers that are quick on every processor.

PyTorch computes float32 products on the CPU with MKL, which leaves half of the speed of
processors unused that are not Intel's. oneDNN, which comes with PyTorch as well, uses all of
them alike, and applies an activation while a result is still in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["none", "relu", "gelu"]

_AFTERWARDS: dict[Activation, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class Linear(nn.Linear):
    """`torch.nn.Linear` with an activation of its outputs.

    Parameters
    ----------
    inputs, outputs : int
        Widths.
    bias : bool
    activation : "none", "relu" or "gelu"
    """

    def __init__(
        self, inputs: int, outputs: int, *, bias: bool = True, activation: Activation = "none"
    ) -> None:
        super().__init__(inputs, outputs, bias=bias)
        self.activation: Activation = activation

    def forward(self, values: Tensor) -> Tensor:
        """Turn (..., inputs) into (..., outputs)."""
        return linear(values, self.weight, self.bias, self.activation)


def linear(
    values: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none"
) -> Tensor:
    """Multiply, add and activate.

    Parameters
    ----------
    values : (..., I) tensor
    weight : (O, I) tensor
    bias : (O,) tensor, optional
    activation : "none", "relu" or "gelu"

    Returns
    -------
    (..., O) tensor
        The same up to rounding, whichever library computes it.
    """
    if _suits_onednn(values, weight):
        found = _onednn()(values, weight, bias, activation, [], "none")
        return cast("Tensor", found)
    product = F.linear(values, weight, bias)
    return product if activation == "none" else _AFTERWARDS[activation](product)


def _suits_onednn(values: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN may take over: it knows no gradients, and autocast does not know it."""
    return (
        values.device.type == "cpu"
        and values.dtype == weight.dtype == torch.float32
        and values.numel() > 0
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
        and _onednn() is not None
    )


def _onednn() -> Any:
    """Return PyTorch's door to oneDNN's linear layer; None where it was built without."""
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)
