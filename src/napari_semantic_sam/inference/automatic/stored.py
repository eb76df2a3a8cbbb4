"""Label images that do not fit memory: decided mask by mask, written to disk block by block."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.automatic.canvas import BLOCK, blocks, canvases
from napari_semantic_sam.inference.automatic.label_counts import LabelCounts
from napari_semantic_sam.inference.automatic.objects import MainLevel
from napari_semantic_sam.inference.automatic.plane_masks import PlaneMask
from napari_semantic_sam.inference.label_runs import slices_of
from napari_semantic_sam.inference.level_labels import LabelRow
from napari_semantic_sam.inference.results import Box
from napari_semantic_sam.io.files import make_folder

if TYPE_CHECKING:
    import zarr


@dataclass(frozen=True, eq=False)
class StoredLabels:
    """Label images of several levels on disk, with a row for each label.

    Attributes
    ----------
    folder : Path
        Holds ``level<k>.zarr`` for each level k.
    shape : (H, W)
        Of the plane.
    table : mapping of int to tuple of LabelRow
        The rows of each level, by index.
    counts : LabelCounts
        Of all labels.
    """

    folder: Path
    shape: tuple[int, int]
    table: Mapping[int, tuple[LabelRow, ...]]
    counts: LabelCounts

    @property
    def levels(self) -> list[int]:
        """The levels, coarse to fine."""
        return sorted(self.table)

    def rows(self, level: int) -> list[LabelRow]:
        """Return the rows of a level, by index."""
        return list(self.table[level])

    def box(self, level: int, index: int) -> Box:
        """Return the smallest box around a label, all 0 if it has no pixel."""
        return self.counts.box((level, index))

    def store(self, level: int) -> zarr.Array[Any]:
        """Open the (H, W) int32 array of a level for reading; nothing is read yet."""
        import zarr

        return zarr.open_array(self.folder / _name(level), mode="r")


def store_levels(
    masks: Sequence[PlaneMask],
    levels: Sequence[int],
    shape: tuple[int, int],
    folder: Path,
    *,
    main: MainLevel | None = None,
) -> StoredLabels:
    """Put masks into one label image on disk for each level, by the rules of `label_levels`.

    Parameters
    ----------
    masks : sequence of PlaneMask
    levels : sequence of int
    shape : (H, W)
        Of the plane.
    folder : Path
        Label images of these levels in it are replaced, once the new ones are complete.
    main : MainLevel, optional
        See `settle_levels`.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    drawn, counts = canvases(masks, levels, main), LabelCounts()
    with _written_together(make_folder(folder), levels) as temporary:
        arrays = {level: _new_array(path, shape) for level, path in temporary.items()}
        for block in blocks(shape):
            labels = {canvas.level: canvas.draw(block) for canvas in drawn}
            counts.add(labels, block[:2])
            for level, part in labels.items():
                if part.any():
                    arrays[level][slices_of(block)] = part
    table = {canvas.level: tuple(_complete(canvas.rows(), counts)) for canvas in drawn}
    return StoredLabels(folder, shape, table, counts)


def _complete(rows: Iterable[LabelRow], counts: LabelCounts) -> Iterator[LabelRow]:
    """Yield rows with area and parent, without those of labels that have no pixel."""
    for row in rows:
        node = (row.level, row.index)
        area, (parent_level, parent) = counts.area(node), counts.parent(node)
        if area:  # others are small, between the middles of a coarse grid's cells
            yield replace(row, area=area, parent_level=parent_level, parent=parent)


def _name(level: int) -> str:
    return f"level{level}.zarr"


def _new_array(path: Path, shape: tuple[int, int]) -> zarr.Array[Any]:
    import zarr

    return zarr.create_array(
        path, shape=shape, chunks=(min(BLOCK, shape[0]), min(BLOCK, shape[1])), dtype="int32"
    )


@contextmanager
def _written_together(folder: Path, levels: Sequence[int]) -> Iterator[dict[int, Path]]:
    """Yield a path for each level's array; they get their names when all are complete."""
    working = folder / f".{uuid.uuid4().hex[:12]}"
    try:
        working.mkdir()
        yield {level: working / _name(level) for level in levels}
        for level in levels:
            target = folder / _name(level)
            shutil.rmtree(target, ignore_errors=True)
            (working / _name(level)).rename(target)
    except OSError as error:
        raise UserError(
            f"The label images in {folder} could not be written ({error.strerror}); check that "
            "the disk is not full and the folder can be written to."
        ) from error
    finally:
        shutil.rmtree(working, ignore_errors=True)
