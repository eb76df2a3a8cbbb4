"""What lies under the mouse, asked for no oftener than it can be answered."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_semantic_sam.annotation.engine import LoadedModel, OpenPicture
from napari_semantic_sam.annotation.hover import LatestRequest, Spot, outline_under
from napari_semantic_sam.inference.results import Candidate, PromptResult

COLOURS = ((1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0))
IOUS = {1: 0.5, 2: 0.9, 4: 0.6}


def test_the_first_request_is_ready_at_once():
    assert LatestRequest().put("a") == "a"


def test_of_those_that_wait_only_the_newest_is_ever_answered():
    mailbox = LatestRequest()
    mailbox.put("a")
    assert [mailbox.put(each) for each in "bcd"] == [None, None, None]
    assert mailbox.done() == "d"
    assert mailbox.done() is None


def test_what_follows_is_at_work_until_it_is_done():
    mailbox = LatestRequest()
    mailbox.put("a")
    mailbox.put("b")
    assert mailbox.done() == "b"
    assert mailbox.put("c") is None
    assert mailbox.done() == "c"


def test_a_mailbox_that_was_worked_off_takes_the_next_request_at_once():
    mailbox = LatestRequest()
    mailbox.put("a")
    mailbox.done()
    assert mailbox.put("b") == "b"


def test_a_request_that_waits_can_be_forgotten():
    mailbox = LatestRequest()
    mailbox.put("a")
    mailbox.put("b")
    mailbox.clear()
    assert mailbox.put("c") is None  # the first one is still at work
    mailbox.clear()
    assert mailbox.done() is None


class Predictor:
    """Answers a click with nested squares around it, one per level of `IOUS`."""

    def __init__(self, finds_nothing=False):
        self.finds_nothing = finds_nothing

    def predict(self, embedding, points=(), boxes=(), *, draft=False):
        ((y, x),) = points
        masks = [
            Candidate(
                (y - half, x - half, y + half + 1, x + half + 1),
                np.ones((2 * half + 1, 2 * half + 1), dtype=bool),
                (40, 40),
                level - 1,
                level,
                iou,
                0.9,
            )
            for half, (level, iou) in zip((9, 5, 2), IOUS.items(), strict=True)
        ]
        return [PromptResult("click", (y, x), () if self.finds_nothing else tuple(masks))]


def under(level, **options):
    opened = OpenPicture(
        LoadedModel("tiny", "cpu", Predictor(**options)), SimpleNamespace(shape=(40, 40)), None
    )
    return outline_under(opened, Spot(20, 15, level), COLOURS)


@pytest.mark.parametrize(
    ("wanted", "shown", "half"), [(1, 1, 9), (2, 2, 5), (4, 4, 2), (6, 4, 2), (None, 2, 5)]
)
def test_the_mask_of_the_nearest_level_is_outlined(wanted, shown, half):
    overlay = under(wanted)
    assert overlay.box == (20 - half, 15 - half, 20 + half + 1, 15 + half + 1)
    assert tuple(overlay.rgba[0, 0, :3]) == COLOURS[shown - 1]
    assert overlay.rgba[0, 0, 3] > 0
    assert overlay.rgba[half, half, 3] == 0


def test_of_two_levels_as_near_the_more_trusted_mask_is_outlined():
    assert tuple(under(3).rgba[0, 0, :3]) == COLOURS[1]


def test_nothing_is_drawn_where_nothing_is_found():
    assert under(1, finds_nothing=True) is None
