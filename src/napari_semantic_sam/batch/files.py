"""What all ways to segment files share: one report for each, and results that are whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from napari_semantic_sam.errors import UserError, naming
from napari_semantic_sam.io.files import atomic_path

Writers = dict[Path, Callable[[Path], None]]
"""How to write each of several files, at the temporary path that is given."""


@dataclass(frozen=True)
class SegmentReport:
    """What became of one file.

    Attributes
    ----------
    image : Path
    files : tuple of Path
        What was written; nothing if there was an error.
    masks : int
        Number of labels written, over all levels.
    error : str
        One sentence that names the file, or "".
    done_before : bool
        Whether an earlier run wrote it in the same way, and nothing was done now.
    skipped : tuple of str
        One sentence for each plane that could not be segmented and has no labels.
    notices : tuple of str
        Sentences about what the user should know, though nothing failed.
    """

    image: Path
    files: tuple[Path, ...] = ()
    masks: int = 0
    error: str = ""
    done_before: bool = False
    skipped: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def segment_each(
    pictures: Mapping[str, Path],
    segment: Callable[[str, Path], SegmentReport],
    progress: Callable[[SegmentReport], None] | None,
) -> list[SegmentReport]:
    """Segment pictures one after the other; one that cannot be is reported, the others go on.

    Parameters
    ----------
    pictures : mapping of stem to Path
    segment : callable
        Of a stem and a path; may raise a UserError.
    progress : callable, optional
        Called with each report as soon as its file is done.
    """
    reports = []
    for stem, path in pictures.items():
        try:
            report = segment(stem, path)
        except UserError as error:
            report = SegmentReport(path, error=naming(error, path))
        reports.append(report)
        if progress is not None:
            progress(report)
    return reports


def write_together(writers: Writers) -> None:
    """Write several files, none of which appears or is replaced before all are complete."""
    with ExitStack() as stack:
        for target, write in writers.items():
            temporary = stack.enter_context(atomic_path(target))
            try:
                write(temporary)
            except UserError as error:  # which names a file that nobody will find
                raise UserError(str(error).replace(temporary.name, target.name)) from error
