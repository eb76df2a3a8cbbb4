"""The one kind of error a user is meant to read."""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """A problem the user can mend: one clear sentence saying what, where and what to do.

    The command line prints the message and exits with code 1; the panel shows it as a
    notification. Anything else that is raised is a defect of this package.
    """


def naming(error: UserError, name: str | Path, *others: str | Path) -> str:
    """Return the sentence of an error, beginning with a name if it has none of the names."""
    sentence = str(error)
    has_name = any(str(each) in sentence for each in (name, *others))
    return sentence if has_name else f"{name}: {sentence}"
