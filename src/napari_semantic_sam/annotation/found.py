"""The candidates of objects in the making, as many as memory is meant for."""

from __future__ import annotations

from collections.abc import Iterable

from napari_semantic_sam.inference.combination import Combined

_LIMIT_BYTES = 256 * 2**20


class FoundCandidates:
    """What the prompts of each group gave; of too many, the oldest are let go.

    Those have to be looked for again once their group is active.

    Parameters
    ----------
    limit_bytes : int
        Of masks. Those of the active group stay however large they are.
    """

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._found: dict[int, Combined] = {}
        self._let_go: set[int] = set()

    def get(self, group: int) -> Combined | None:
        """Return what the prompts of a group gave; None if it has to be looked for."""
        return self._found.get(group)

    def put(self, group: int, combined: Combined, active: int | None) -> None:
        """Note what the prompts of a group gave, while another one or the same is active."""
        self.forget(group)
        self._found[group] = combined
        nbytes = sum(each.nbytes for each in self._found.values())
        for oldest in [each for each in self._found if each != active]:
            if nbytes <= self._limit:
                break
            nbytes -= self._found.pop(oldest).nbytes
            self._let_go.add(oldest)

    def forget(self, group: int) -> None:
        """Say that a group has other prompts, or none."""
        self._found.pop(group, None)
        self._let_go.discard(group)

    def missing(self, groups: Iterable[int], active: int | None) -> list[int]:
        """Return the groups whose candidates are to be looked for."""
        present = self._found.keys() | (self._let_go - {active})
        return [group for group in groups if group not in present]
