"""Which channels of a picture are shown, and as what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.normalisation import checked_channels

_MOST = 3
_COLOURS = (3, 4)


@dataclass(frozen=True)
class ChosenChannels:
    """What becomes red, green and blue, or grey.

    Attributes
    ----------
    axis : str
        C or S, whichever holds the channels; "" if there is one channel without an axis.
    indices : tuple of int
        Along that axis.
    fixed : mapping of letter to int
        The index along the other of the two axes, if there is one.
    is_colour : bool
        Whether they are samples of one picture in colours.
    """

    axis: str
    indices: tuple[int, ...]
    fixed: Mapping[str, int]
    is_colour: bool


def choose_channels(
    counts: Mapping[str, int], channels: Sequence[int] | None, subject: str
) -> ChosenChannels:
    """Choose channels as `ImageSource` describes.

    Parameters
    ----------
    counts : mapping of letter to int
        Lengths of the axes C and S, as far as there are such.
    channels : sequence of int, optional
    subject : str
        The picture, as errors begin with it.

    Raises
    ------
    UserError
        If there are too many channels and none was chosen, or no such channel.
    """
    fixed: dict[str, int] = {}
    if "C" in counts and "S" in counts:
        if counts["C"] > 1 and counts["S"] > 1:
            fixed["C"] = _one_in_colour(counts["C"], channels, subject)
            channels = None
        else:
            fixed["C" if counts["C"] == 1 else "S"] = 0
    axis = next((letter for letter in "CS" if letter in counts and letter not in fixed), "")
    count = counts.get(axis, 1)
    if channels is not None:
        return ChosenChannels(axis, tuple(checked_channels(channels, count, subject)), fixed, False)
    if axis == "S" and count in _COLOURS:
        return ChosenChannels(axis, (0, 1, 2), fixed, True)
    if axis == "S" and count == 2:  # grey with transparency
        return ChosenChannels(axis, (0,), fixed, False)
    if count > _MOST:
        raise UserError(
            f"{subject} has {count} channels; choose up to three of them, 0 to {count - 1}, or say "
            "that this dimension is depth (Z) or time (T)."
        )
    return ChosenChannels(axis, tuple(range(count)), fixed, False)


def _one_in_colour(count: int, channels: Sequence[int] | None, subject: str) -> int:
    chosen = [] if channels is None else checked_channels(channels, count, subject)
    if len(chosen) != 1:
        raise UserError(f"{subject} has {count} channels in colours; choose one of them.")
    return chosen[0]
