"""The one kind of error a user is meant to read."""

from __future__ import annotations


class UserError(Exception):
    """A problem the user can mend: one clear sentence saying what, where and what to do.

    The command line prints the message and exits with code 1; the panel shows it as a
    notification. Anything else that is raised is a defect of this package.
    """
