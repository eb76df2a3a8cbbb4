"""What makes training quick on processors; it changes no result but by rounding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def suit_processor(model: nn.Module, *, mixed: bool) -> None:
    """Lay out and compute the convolutions of a model as processors do them fastest.

    On two cores a step of `tiny` takes three quarters of the time with the channels of a pixel
    side by side, and half of it in mixed precision, too, but only if depthwise convolutions stay
    in float32: their gradients in bfloat16 are several times slower.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    mixed : bool
        Whether it will run under `torch.autocast`.
    """
    model.to(memory_format=torch.channels_last)
    if not mixed:
        return
    for part in model.modules():
        if isinstance(part, nn.Conv2d) and part.groups > 1:
            # Hooks, unlike a replaced forward, also hold for copies of the model.
            part.register_forward_pre_hook(_leave_autocast)
            part.register_forward_hook(_enter_autocast)


def _leave_autocast(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    torch.set_autocast_enabled("cpu", False)
    return tuple(each.float() for each in inputs)


def _enter_autocast(module: nn.Module, inputs: Any, output: Any) -> None:
    torch.set_autocast_enabled("cpu", True)
