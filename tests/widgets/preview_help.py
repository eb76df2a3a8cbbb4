"""Candidates to show, and whether anything still runs beside the user interface."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QCoreApplication, QEvent, QThreadPool

from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.widgets.worker import Job

HALF_SIDES = (20, 10, 4)  # as the stand-in for a predictor finds them


def nested(y, x, shape=(60, 80)):
    """Nested squares around a pixel, levels 1 to 3."""
    found = []
    for level, half in enumerate(HALF_SIDES, 1):
        y0, x0 = max(y - half, 0), max(x - half, 0)
        y1, x1 = min(y + half + 1, shape[0]), min(x + half + 1, shape[1])
        crop = np.ones((y1 - y0, x1 - x0), dtype=bool)
        found.append(Candidate((y0, x0, y1, x1), crop, shape, level - 1, level, 0.9, 0.8))
    return tuple(found)


def settle(qtbot):
    """Wait until every job ended, was heard of, and is gone."""
    assert QThreadPool.globalInstance().waitForDone(10_000)
    qtbot.waitUntil(_no_job_is_left)


def _no_job_is_left():
    # Qt keeps those of jobs that ended outside of any event loop.
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    return not QCoreApplication.instance().findChildren(Job)
