"""Made-up candidates for annotation sessions, and what there is to compare of a session."""

from __future__ import annotations

import numpy as np

from napari_semantic_sam.inference.combination import Combined
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import Candidate

SHAPE = (20, 30)


def click(y, x, positive=True):
    return Prompt("click", (float(y), float(x)), positive)


def candidate(box, level, predicted_iou=0.5, shape=SHAPE):
    y0, x0, y1, x1 = box
    crop = np.ones((y1 - y0, x1 - x0), dtype=bool)
    return Candidate(box, crop, shape, level - 1, level, predicted_iou, 0.7)


def combined(*candidates):
    scores = [each.predicted_iou for each in candidates]
    return Combined(candidates, scores.index(max(scores)) if scores else 0, (1.0,) * len(scores))


def facts(session):
    """Everything a user made, in a form that can be compared; empty levels count for nothing."""
    levels = session.levels
    filled = [level for level in levels.levels if levels.array(level).any()]
    return {
        "pixels": {level: levels.array(level).tolist() for level in filled},
        "rows": repr([levels.rows(level) for level in filled]),
        "groups": session.groups,
        "choices": {
            group: (session.state(group).index, session.state(group).marked)
            for group in session.groups
        },
        "kept": repr({group: session.state(group).kept for group in session.groups}),
    }
