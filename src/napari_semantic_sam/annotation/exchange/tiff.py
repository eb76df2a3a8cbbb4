"""Labels as one TIFF or OME-TIFF, a plane per level, and a table beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from napari_semantic_sam.annotation.exchange.document import (
    Document,
    Header,
    check_shape,
    parse_header,
)
from napari_semantic_sam.annotation.exchange.table import (
    TABLE_SUFFIX,
    read_rows,
    table_beside,
    table_text,
)
from napari_semantic_sam.annotation.exchange.tiff_facts import metadata_of, read_facts
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_runs import LabelArray
from napari_semantic_sam.io.files import atomic_path
from napari_semantic_sam.io.images import read_labels

OME_SUFFIXES = (".ome.tif", ".ome.tiff")
SUFFIXES = (*OME_SUFFIXES, ".tif", ".tiff")
BATCH_TABLE_SUFFIX = "_masks.csv"


def write_tiff(document: Document, path: Path) -> list[Path]:
    """Write the label image and its table; neither appears before both are complete.

    Returns
    -------
    list of Path
        The image and the table.

    Raises
    ------
    UserError
        If a file cannot be written, or a label is too large for a TIFF.
    """
    import tifffile

    ome, table = path.name.lower().endswith(OME_SUFFIXES), table_beside(path)
    arrays = [array for _, array in sorted(document.levels.items())]
    dtype = _dtype(arrays, path)
    planes = (
        arrays[0].astype(dtype)
        if len(arrays) == 1
        else np.stack(arrays, dtype=dtype, casting="unsafe")
    )
    axes = f"C{document.axes}YX"
    with (
        _unchanged_by_errors(table),
        atomic_path(path) as image_file,
        atomic_path(table) as table_file,
    ):
        tifffile.imwrite(
            image_file,
            planes,
            ome=ome,
            metadata={"axes": axes[-planes.ndim :], **metadata_of(document, ome=ome)},
            compression="zlib",
            photometric="minisblack",
        )
        table_file.write_text(table_text(document), encoding="utf-8", newline="")
    return [path, table]


@contextmanager
def _unchanged_by_errors(path: Path) -> Iterator[None]:
    """Give a file its earlier contents back, or none, if the body fails after it was replaced."""
    before = path.read_bytes() if path.is_file() else None
    try:
        yield
    except BaseException:
        if before is None and path.is_file():
            path.unlink()
        elif before is not None and path.read_bytes() != before:
            with atomic_path(path) as temporary:
                temporary.write_bytes(before)
        raise


def _dtype(arrays: Sequence[LabelArray], path: Path) -> np.dtype[Any]:
    largest = max(int(array.max(initial=0)) for array in arrays)
    if largest > np.iinfo(np.uint32).max:
        raise UserError(
            f"{path} cannot hold label number {largest}; number the labels anew, or save COCO JSON."
        )
    return np.dtype(np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32)


def read_tiff(path: Path) -> Document:
    """Read a label image, with the table beside it if there is one.

    Raises
    ------
    UserError
        If it is no label image, or the table cannot be read.
    """
    table = table_beside(path)
    return _read(path, table if table.exists() else None)


def read_table(path: Path) -> Document:
    """Read the label image that a table belongs to, with the table.

    Parameters
    ----------
    path : Path
        ``a.labels.csv``, or ``a_masks.csv`` with a label image per level, ``a_level1.tif``
        and so on, as the batch command writes them.

    Raises
    ------
    UserError
        If there is no such image, or one of the files cannot be read.
    """
    name = path.name.lower()
    if name.endswith(BATCH_TABLE_SUFFIX):
        return _read_batch(path)
    if not name.endswith(TABLE_SUFFIX):
        raise UserError(
            f"{path} is no table of labels: its name does not end in {TABLE_SUFFIX} or "
            f"{BATCH_TABLE_SUFFIX}."
        )
    stem = path.name[: -len(TABLE_SUFFIX)]
    names = [stem + middle + suffix for middle in (".labels", "") for suffix in SUFFIXES]
    found = [each for each in map(path.with_name, names) if each.exists()]
    if not found:
        raise UserError(
            f"The label image of {path} is missing: {names[0]} or {names[2]} should be beside it."
        )
    # The picture itself may lie there under the same name; the labels have our record.
    ours = [each for each in found if len(found) > 1 and read_facts(each).header]
    return _read((ours or found)[0], path)


def _read_batch(path: Path) -> Document:
    stem = path.name[: -len(BATCH_TABLE_SUFFIX)]
    pattern = re.compile(re.escape(stem) + r"_level([1-9]\d*)\.tiff?")
    images = {
        int(match[1]): each
        for each in path.parent.iterdir()
        if (match := pattern.fullmatch(each.name))
    }
    levels = {level: _plane(read_labels(each), each) for level, each in sorted(images.items())}
    if not levels:
        raise UserError(f"No label image {stem}_level1.tif, … lies beside {path}.")
    shape = next(iter(levels.values())).shape
    for level, array in levels.items():
        check_shape(images[level], array.shape, shape)
    return Document(shape, levels, read_rows(path), image=stem).completed()


def _plane(array: LabelArray, path: Path) -> LabelArray:
    if array.ndim != 2:
        raise UserError(f"{path} has several planes; one label image per level is needed.")
    return _editable(array)


def _read(path: Path, table: Path | None) -> Document:
    facts = read_facts(path)
    header = parse_header(facts.header, path)
    if header.facts.get("stack"):
        return _read_stack(path, header, table)
    array = read_labels(path)
    if set(facts.axes) & set("ZT"):
        raise UserError(f"{path} is a stack ({facts.axes}); open one plane of it, saved as TIFF.")
    if header.shape and array.size != len(header.dtypes) * math.prod(header.shape):
        header = Header()  # of a file that another program cut
    planes = array.reshape(-1, *(header.shape or array.shape[-2:]))
    levels = _levels(planes, header)
    known = header.facts or {"pixel_size": facts.pixel_size, "unit": facts.unit}
    rows = {} if table is None else read_rows(table)
    shape = (planes.shape[1], planes.shape[2])
    return Document(shape, levels, rows, **known).completed()


def _read_stack(path: Path, header: Header, table: Path | None) -> Document:
    """Read a stack that this package wrote."""
    import tifffile

    try:
        array = tifffile.imread(path)
    except (OSError, ValueError, tifffile.TiffFileError) as error:
        raise UserError(f"{path} could not be read ({error}); export the labels again.") from error
    whole = (*header.facts["stack"], *(header.shape or ()))
    if array.dtype.kind not in "iu" or array.size != len(header.dtypes) * math.prod(whole):
        raise UserError(f"{path} was changed by another program; export the labels again.")
    levels = _levels(array.reshape(-1, *whole), header)
    rows = {} if table is None else read_rows(table)
    return Document(whole[-2:], levels, rows, **header.facts).completed()


def _levels(planes: LabelArray, header: Header) -> dict[int, LabelArray]:
    if len(header.dtypes) != len(planes):
        return {level: _editable(plane) for level, plane in enumerate(planes, start=1)}
    levels = {}
    for level, plane in zip(sorted(header.dtypes), planes, strict=True):
        dtype = header.dtypes[level]
        fits = plane.max(initial=0) <= np.iinfo(dtype).max
        levels[level] = plane.astype(dtype) if fits else _editable(plane)
    return levels


def _editable(array: LabelArray) -> LabelArray:
    """Return labels in a type with room for more of them."""
    return array.astype(np.int32 if array.max(initial=0) < np.iinfo(np.int32).max else np.int64)
