"""A session without a panel."""

from __future__ import annotations

from napari.utils._proxies import PublicOnlyProxy

from napari_semantic_sam.widgets.annotator import Annotator


def begin(viewer, qtbot):
    """Give an annotator with a session on the viewer's first image; for a fixture."""
    annotator = Annotator(PublicOnlyProxy(viewer))  # as napari gives it to plugins
    annotator.start(annotator.images[0], "tiny", "cpu")
    qtbot.waitUntil(lambda: annotator.session is not None)
    yield annotator
    annotator.close()


def candidates_come(annotator, qtbot):
    """Wait until no object of the session waits."""
    qtbot.waitUntil(lambda: not annotator.session.waiting)


def click(annotator, qtbot, y, x):
    """Click, and wait for the candidates."""
    annotator.clicks.add([y, x])
    candidates_come(annotator, qtbot)
