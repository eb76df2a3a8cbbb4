"""Changes of layers that are ours, told from those of the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Quiet:
    """While its context is entered, what happens to layers is no act of the user.

    Attributes
    ----------
    is_on : bool
        For those who listen to the layers to ask.
    """

    def __init__(self) -> None:
        self.is_on = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Change layers without taking it for an act of the user."""
        self.is_on = True
        try:
            yield
        finally:
            self.is_on = False
