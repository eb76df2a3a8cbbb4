"""Steps that can be undone and redone, within a bounded amount of memory."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from napari_semantic_sam.annotation.changes import ChoiceChange, Step

_LIMIT_BYTES = 256 * 2**20


class History:
    """One stack of steps with a place in it. It only remembers; a session applies.

    Walking through the candidates of an object is one step, however far it goes.

    Parameters
    ----------
    limit_bytes : int
        Beyond it the oldest steps are forgotten. The newest one always stays.
    """

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._done: deque[Step] = deque()
        self._undone: list[Step] = []
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Memory that the steps take, roughly."""
        return self._nbytes

    @property
    def undo_text(self) -> str:
        """What `undo` would take back; "" for nothing."""
        return self._done[-1].text if self._done else ""

    @property
    def redo_text(self) -> str:
        """What `redo` would do again; "" for nothing."""
        return self._undone[-1].text if self._undone else ""

    def push(self, step: Step) -> None:
        """Remember a step that was just made; steps that were taken back are forgotten."""
        self._nbytes -= sum(each.nbytes for each in self._undone)
        self._undone.clear()
        walked, walk = _walk(self._done[-1]) if self._done else None, _walk(step)
        if walked and walk and walked.group == walk.group:
            self._nbytes -= self._done.pop().nbytes
            if walk.after == walked.before:
                return  # back where it began: nothing is left to undo
            step = Step(step.text, (replace(walked, after=walk.after),))
        self._done.append(step)
        self._nbytes += step.nbytes
        while self._nbytes > self._limit and len(self._done) > 1:
            self._nbytes -= self._done.popleft().nbytes

    def undo(self) -> Step | None:
        """Return the step to take back, which `redo` gives again; None if there is none."""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1]

    def redo(self) -> Step | None:
        """Return the step to make again, which `undo` gives again; None if there is none."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]


def _walk(step: Step) -> ChoiceChange | None:
    """Return the change of a step that only displays another candidate; None for others."""
    match step.changes:
        case (ChoiceChange() as change,) if replace(change.after, index=None) == replace(
            change.before, index=None
        ):
            return change
    return None
