"""Going through the files of an evaluation, one picture after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from napari_semantic_sam.errors import UserError, naming
from napari_semantic_sam.io.pairs import PairedFiles

Progress = Callable[[int, int, str], None]


class Outcome(Protocol):
    """What was measured on one picture, or on several put together."""

    @property
    def measured(self) -> Any:
        """True if there was something to measure."""
        ...

    def summary(self) -> dict[str, float]:
        """Return flat numbers."""
        ...


Found = TypeVar("Found", bound=Outcome)


class Measurer(Protocol[Found]):
    """How one picture is measured, and how several are put together."""

    def image(self, files: PairedFiles) -> Found:
        """Measure one picture; raises a UserError if a file cannot be used."""
        ...

    def total(self, results: Sequence[Found]) -> Found:
        """Put at least one result together."""
        ...


def each_image(
    measurer: Measurer[Found], pairs: Sequence[PairedFiles], progress: Progress | None
) -> tuple[dict[str, Found], list[dict[str, str]]]:
    """Return the results by stem, and what was left out with a reason."""
    results: dict[str, Found] = {}
    skipped = []
    for done, files in enumerate(pairs):
        if progress is not None:
            progress(done, len(pairs), files.stem)
        try:
            results[files.stem] = measurer.image(files)
        except UserError as error:
            skipped.append(
                {"image": files.stem, "reason": naming(error, files.image, *files.masks.values())}
            )
    return results, skipped


def check_size(labels: Path, found: tuple[int, ...], image: Path, shape: tuple[int, int]) -> None:
    """Make sure that a label image fits its picture.

    Raises
    ------
    UserError
        If it does not.
    """
    if found != shape:
        raise UserError(
            f"{labels} is {_size(found)} pixels but {image} is {_size(shape)}; labels must have "
            "the size of their picture."
        )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} × {shape[0]}"
