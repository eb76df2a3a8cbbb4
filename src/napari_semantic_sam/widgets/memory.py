"""Keeps the panel and the preferences in step, both ways."""

from __future__ import annotations

from collections.abc import Mapping

from napari_semantic_sam.annotation.commit import KeepOptions
from napari_semantic_sam.inference.cleanup import CleanUp
from napari_semantic_sam.widgets.annotator import Annotator
from napari_semantic_sam.widgets.controls import check, choose
from napari_semantic_sam.widgets.preferences import Preferences
from napari_semantic_sam.widgets.section import Section
from napari_semantic_sam.widgets.source import SourceForm

_KEEPING = ("rule", "fill_holes", "drop_islands", "smooth")


class Memory:
    """Begins with what the preferences say, and writes down what the user chooses later.

    Parameters
    ----------
    annotator : Annotator
    source : SourceForm
    sections : mapping of str to Section
    """

    def __init__(
        self, annotator: Annotator, source: SourceForm, sections: Mapping[str, Section]
    ) -> None:
        self._annotator = annotator
        self._source = source
        self._sections = sections
        self._preferences = Preferences(self._on_preference)
        for name in ("model", "device", "contrast", "separate", "hover", "rule", "folded"):
            self._on_preference(name)
        sections["source"].set_open(True)  # the button that begins is in there
        annotator.changed.connect(self._remember_annotator)
        source.changed.connect(self._remember_source)
        for section in sections.values():
            section.toggled.connect(self._remember_sections)

    def close(self) -> None:
        """Stop listening to the preferences."""
        self._preferences.close()

    def _on_preference(self, name: str) -> None:
        value = self._preferences
        if name == "model":
            self._source.choose_checkpoint(value["model"])
        elif name == "device":
            choose(self._source.device, value["device"])
        elif name == "contrast":
            check(self._source.contrast, value["contrast"])
        elif name == "separate":
            self._annotator.set_separate(value["separate"])
        elif name == "hover":
            self._annotator.set_hover(value["hover"])
        elif name in _KEEPING:
            cleanup = CleanUp(value["fill_holes"], value["drop_islands"], value["smooth"])
            self._annotator.set_options(KeepOptions(value["rule"], cleanup))
        elif name == "folded":
            folded = value["folded"].split()
            for each, section in self._sections.items():
                section.set_open(each not in folded)

    def _remember_annotator(self) -> None:
        options = self._annotator.options
        self._preferences.remember(
            separate=self._annotator.separate,
            hover=self._annotator.hover,
            rule=options.rule,
            fill_holes=options.cleanup.fill_holes,
            drop_islands=options.cleanup.drop_islands,
            smooth=options.cleanup.smooth,
        )

    def _remember_source(self) -> None:
        self._preferences.remember(
            model=self._source.checkpoint.name,
            device=self._source.device.currentData(),
            contrast=self._source.contrast.isChecked(),
        )

    def _remember_sections(self) -> None:
        folded = [name for name, section in self._sections.items() if not section.is_open]
        self._preferences.remember(folded=" ".join(folded))
