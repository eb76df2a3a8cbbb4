"""The masks of the object in the making, cleaned up before they are shown."""

from __future__ import annotations

import numpy as np
import pytest
from preview_help import nested, settle

from napari_semantic_sam.annotation.commit import KeepOptions
from napari_semantic_sam.annotation.session import AnnotationSession
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.inference.combination import Combined
from napari_semantic_sam.inference.level_labels import LevelLabels
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.widgets.candidate_view import CandidateView
from napari_semantic_sam.widgets.frame import Frame, lengths_of
from napari_semantic_sam.widgets.preview import Preview

SHAPE = (60, 80)


@pytest.fixture
def preview(viewer_model):
    image = viewer_model.add_image(np.zeros(SHAPE, np.uint8), name="cells")
    preview = Preview(viewer_model.layers, image, Frame(lengths_of(image), 0, 1))
    yield preview
    preview.close()


@pytest.fixture
def session():
    session = AnnotationSession(LevelLabels(SHAPE))
    session.options = KeepOptions(cleanup=CleanUp(fill_holes=True))
    return session


def click(session, y, x):
    prompt = Prompt("click", (float(y), float(x)), True)
    group = session.group_for_next(True)
    session.set_prompts({**session.groups, group: (prompt,)})
    return group, (prompt,)


def test_the_next_object_may_begin_while_the_last_one_is_cleaned_up(preview, session, qtbot):
    group, prompts = click(session, 30, 40)
    found = nested(30, 40)
    session.receive(group, prompts, Combined(found, 1, (1.0,) * len(found)))
    session.keep()
    assert not session.current.to_keep
    view = CandidateView(session, preview)
    view.draw()
    click(session, 10, 10)  # its candidates are not there yet
    view.draw()
    with qtbot.capture_exceptions() as raised:
        settle(qtbot)
    assert raised == []
    view.close()
