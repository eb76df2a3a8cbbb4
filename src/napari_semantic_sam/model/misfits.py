"""One way to say which tensors of a checkpoint do not fit its network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from napari_semantic_sam.errors import UserError

_NAMED_KEYS = 3  # of each kind of complaint, so that the sentence stays readable


def refuse_misfits(subject: str, complaints: Mapping[str, Sequence[str]]) -> None:
    """Raise if there is anything to complain about.

    Parameters
    ----------
    subject : str
        What does not fit: a file.
    complaints : mapping of str to sequence of str
        From what is wrong (``"missing"``) to the keys of the tensors concerned.

    Raises
    ------
    UserError
        With the number of the keys of each kind, and the first few of them.
    """
    said = [f"{len(keys)} {what} ({few(keys)})" for what, keys in complaints.items() if keys]
    if said:
        raise UserError(
            f"{subject} does not fit the network it is for, tensors {', '.join(said)}; "
            "get the file again or choose another one."
        )


def few(keys: Sequence[str]) -> str:
    """Return the first few keys as text, with the number of those left out."""
    more = [f"and {len(keys) - _NAMED_KEYS} more"] if len(keys) > _NAMED_KEYS else []
    return ", ".join([*keys[:_NAMED_KEYS], *more])
