"""Working through many tokens a few at a time, where that is quicker.

On a processor, intermediate results that do not fit its cache are read from memory, and large ones
are asked from the system and handed back every time, which costs more than the arithmetic. So work
that treats every token alike, or every window, goes through chunks of them. Graphics cards want
everything at once, and so does training, which keeps the intermediate results anyway.
"""

from __future__ import annotations

import torch
from torch import Tensor

_TOKENS_AT_ONCE = 2048
"""Their widest intermediate results take 16 MB."""


def at_once(tokens: Tensor) -> int | None:
    """Return how many tokens to treat at once; None for all of them.

    Parameters
    ----------
    tokens : tensor
        What they are kept in, which tells the device.
    """
    if tokens.device.type != "cpu" or torch.is_grad_enabled():
        return None
    return _TOKENS_AT_ONCE


def split(length: int, most: int | None) -> list[slice]:
    """Cut a length into parts of at most `most`, in order; one part if that is None."""
    step = max(1, length if most is None else most)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]
