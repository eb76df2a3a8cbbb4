"""What the panel remembers: the page of this plugin in napari's preferences."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.settings import get_plugin_settings
from napari.utils.events import Event

from napari_semantic_sam.model.registry import home

PLUGIN = "napari-semantic-sam"


class Preferences:
    """Reads and writes the values under *Preferences › Semantic-SAM › Annotating*.

    Their names, defaults and meaning are in ``napari.yaml``. napari writes them to a file
    beside its own settings.

    Parameters
    ----------
    on_change : bound method, optional
        Called with the name of a value after somebody else changed it, for example the user
        in the dialog.
    """

    def __init__(self, on_change: Callable[[str], None] | None = None) -> None:
        self._page: Any = get_plugin_settings(PLUGIN).annotation
        self._tell = on_change
        self._is_writing = False
        if on_change is not None:
            self._page.events.connect(self._on_event)

    def __getitem__(self, name: str) -> Any:
        """Return a value."""
        return getattr(self._page, name)

    def remember(self, **values: Any) -> None:
        """Change values, which napari saves."""
        self._is_writing = True
        try:
            for name, value in values.items():
                if self[name] != value:
                    # On a full disk a choice is forgotten, which must not stop the work.
                    with contextlib.suppress(OSError):
                        setattr(self._page, name, value)
        finally:
            self._is_writing = False

    def close(self) -> None:
        """Stop listening."""
        if self._tell is not None:
            self._page.events.disconnect(self._on_event)

    def _on_event(self, event: Event) -> None:
        if self._tell is not None and not self._is_writing:
            self._tell(event.type)


def journal_folder() -> Path | None:
    """Return where journals are kept; None if the user switched them off."""
    preferences = Preferences()
    if not preferences["journal"]:
        return None
    chosen: str = preferences["journal_folder"].strip()
    return Path(chosen).expanduser() if chosen else home() / "journals"
