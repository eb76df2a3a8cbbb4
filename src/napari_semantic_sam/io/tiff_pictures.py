"""TIFF files of every kind, opened without being read."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.images import MISSING_FILE, damaged, page_complaints
from napari_semantic_sam.io.opening import OpenedImage
from napari_semantic_sam.io.tiff_scale import channel_names, scale_of

if TYPE_CHECKING:
    import tifffile

_MADE_UP = "Q"
"""What tifffile calls a dimension that the file says nothing about; it may even be Y or X."""

_MODERATE = 2**30


def open_tiff(path: Path, stack: ExitStack) -> OpenedImage:
    """Open the first series of a TIFF file.

    Parameters
    ----------
    path : Path
    stack : ExitStack
        Closes the file.

    Raises
    ------
    UserError
        If the file is damaged or cut off.
    """
    import tifffile

    try:
        with page_complaints() as complaints:
            file = stack.enter_context(tifffile.TiffFile(path))
            series = file.series[0]
            numbers = range(len(series.levels))
            levels = tuple(_open_level(path, series, number, stack) for number in numbers)
        missing = [each for each in complaints if MISSING_FILE in each]
        if len(missing) < len(complaints) or _is_cut_off(series):
            raise damaged(path)
        axes = series.axes.replace("S", "C") if _are_channels(series) else series.axes
        return OpenedImage(
            path,
            levels,
            # Only its colours are certain then.
            tuple(letter if _MADE_UP not in axes or letter == "S" else "" for letter in axes),
            scale_of(file),
            channel_names(file),
            _told(path, len(missing)),
        )
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(f"{path} does not fit into memory.") from error
    except Exception as error:  # damaged files raise nearly every kind
        raise damaged(path) from error


def _open_level(path: Path, series: tifffile.TiffPageSeries, number: int, stack: ExitStack) -> Any:
    """Return a memory map where the pixels lie in one piece, else a zarr array.

    A page of moderate size that is not made of tiles is read at once, because every part of
    it costs as much as the whole.
    """
    import tifffile
    import zarr

    level = series.levels[number]
    if level.dataoffset is not None:
        return tifffile.memmap(path, series=0, level=number, mode="r")
    if len(level.pages) == 1 and not level.keyframe.is_tiled and level.nbytes <= _MODERATE:
        return level.asarray()
    store = stack.enter_context(series.aszarr(level=number))
    return zarr.open_array(store, mode="r")


def _are_channels(series: tifffile.TiffPageSeries) -> bool:
    """Tell whether the samples of a pixel are four or more shades of grey, none transparency."""
    import tifffile

    page = series.keyframe
    greys = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)
    is_plain = all(each == tifffile.EXTRASAMPLE.UNSPECIFIED for each in page.extrasamples)
    return page.samplesperpixel > 3 and page.photometric in greys and is_plain


def _is_cut_off(series: tifffile.TiffPageSeries) -> bool:
    """Tell whether the first or the last page reaches beyond the end of its file."""
    for level in series.levels:
        for page in (level.pages[0], level.pages[-1]):
            if page is None:
                continue
            segments = zip(page.dataoffsets, page.databytecounts, strict=True)
            size = page.parent.filehandle.size
            if any(offset + count > size for offset, count in segments):
                return True
    return False


def _told(path: Path, missing: int) -> tuple[str, ...]:
    if not missing:
        return ()
    return (
        f"{path} belongs to a picture of several files, {missing} of which could not be found; "
        "their planes are taken as empty.",
    )
