"""What ``make demo`` shows where there is a display."""

from __future__ import annotations

from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_the_demo_opens_the_sample_with_its_clicks_answered(viewer, predictor, qtbot, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import demo

    demo.place_clicks(viewer, "tiny")
    qtbot.waitUntil(lambda: "ihc · clicks" in viewer.layers)
    clicks = viewer.layers["ihc · clicks"]
    qtbot.waitUntil(lambda: len(clicks.data) == len(demo.CLICKS))
    qtbot.waitUntil(lambda: len(predictor.asked) == len(demo.CLICKS))
    assert {click for clicks, _ in predictor.asked for click in clicks} == set(demo.CLICKS)

    clicks.data = clicks.data[:1]  # the demo must not put them back
    assert len(clicks.data) == 1
