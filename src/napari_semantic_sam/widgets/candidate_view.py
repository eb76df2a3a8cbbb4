"""The candidates of the active object on the picture, as they would be kept."""

from __future__ import annotations

from collections.abc import Callable

from napari_semantic_sam.annotation.overlay import Scene
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.widgets.latest import LatestJob
from napari_semantic_sam.widgets.preview import Preview
from napari_semantic_sam.widgets.worker import Job


class CandidateView:
    """Draws the candidates of a session in the preview, and cleans those to be kept up first.

    Parameters
    ----------
    session : AnnotationSession
    preview : Preview
    """

    def __init__(self, session: AnnotationSession, preview: Preview) -> None:
        self._session = session
        self._preview = preview
        self._tidier = LatestJob[tuple[Candidate, ...]](_tidy(session), self._on_tidied)

    def draw(self) -> None:
        """Show the candidates, at once or when they are cleaned up."""
        if not self._session.current.candidates:
            self._tidier.clear()
            self._preview.show(None)
        elif self._session.options.cleanup == CleanUp():
            self._draw()
        else:  # which takes a while for large masks
            self._tidier.ask(self._to_keep)

    def forget(self) -> None:
        """Do not clean up candidates that wait for it."""
        self._tidier.clear()

    def close(self) -> None:
        """Draw no more."""
        self._tidier.cancel()

    @property
    def _to_keep(self) -> tuple[Candidate, ...]:
        state = self._session.current
        return tuple((state.candidates or ())[index] for index in state.to_keep)

    def _on_tidied(self, candidates: tuple[Candidate, ...], job: Job) -> None:
        if job.error is not None:
            raise job.error
        # Meanwhile the user may have begun another object, which has none yet.
        if self._session.current.candidates and candidates == self._to_keep:
            self._draw()

    def _draw(self) -> None:
        state = self._session.current
        masks = list(state.candidates or ())
        for planned in self._session.preview():
            if planned.mask.area:
                masks[planned.candidate] = planned.mask
        self._preview.show(Scene(tuple(masks), state.index, state.marked, frozenset(state.kept)))


def _tidy(session: AnnotationSession) -> Callable[[tuple[Candidate, ...]], None]:
    """Return a function that cleans candidates up, for the session to find them so."""

    def work(candidates: tuple[Candidate, ...]) -> None:
        for candidate in candidates:
            session.tidied(candidate)

    return work
