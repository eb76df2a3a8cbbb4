"""The labels of a journal without its picture, its model or napari."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_semantic_sam.annotation.exchange import Document
from napari_semantic_sam.annotation.recording import read_journal, restore
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.model.config import KINDS


def labels_of_journal(path: str | Path) -> Document:
    """Return the labels as they were when a journal was left, whether it was ended or not.

    Parameters
    ----------
    path : str or Path
        A journal of the annotation panel (``.jsonl``).

    Raises
    ------
    UserError
        See `read_journal` and `restore`.
    """
    recording = read_journal(path)
    header = recording.header
    levels = LevelLabels(header.shape, header.stack)
    restore(recording, AnnotationSession(levels, KINDS))
    walked = "".join(letter for letter in header.axes if letter in "TZ")
    return Document(
        header.shape,
        {level: np.asarray(levels.store(level)) for level in levels.levels},
        {level: levels.rows(level) for level in levels.levels},
        image=header.image,
        checkpoint=header.checkpoint,
        level_order=header.level_order,
        stack=header.stack,
        axes=walked if len(walked) == len(header.stack) else "TZ"[2 - len(header.stack) :],
    )
