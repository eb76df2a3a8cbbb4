"""Pictures and label images, from and to files.

The format is told by the first bytes of a file, never by its name.
"""

from __future__ import annotations

import io
import logging
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
"""Endings of the files that are looked for in folders, in lower case."""

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"

_MOST_FLOAT = 2.0**53
"""From here on not every whole number can be told from the next in floating point."""

_BROKEN = ("invalid page offset", "invalid offset to first page", "corrupted", "TiffTag 270 ")
"""What tifffile logs, and does not raise, when the list of pages or the description breaks off."""
MISSING_FILE = "Missing data are zeroed"
"""What it logs for each missing file of a picture that is stored in several."""
_CUT_VALUE = "invalid value offset"
"""What it logs when another note is cut off, which does not matter."""


def read_image(path: str | Path) -> npt.NDArray[Any]:
    """Read a picture.

    Parameters
    ----------
    path : str or Path
        A TIFF, PNG or JPEG file.

    Returns
    -------
    array
        ``(H, W)`` or ``(H, W, 3 or 4)`` of a PNG or JPEG, with its 8 or 16 bits; palettes
        become RGB, grey with transparency becomes RGBA. Of a TIFF, its first series as it
        is (colours last); one bit per pixel gives bool. Like napari, neither the
        orientation tag nor "white is zero" is applied.

    Raises
    ------
    UserError
        If the file is missing, empty, cut off, or no picture of these formats.
    """
    return _read(Path(path), palette_to_rgb=True)[0]


def read_labels(path: str | Path) -> npt.NDArray[Any]:
    """Read a label image.

    Parameters
    ----------
    path : str or Path
        A TIFF, PNG or JPEG file. Of a palette PNG the indices are the labels.

    Returns
    -------
    (H, W) or (K, H, W) integer array
        0 is background; 1-bit masks become 0 and 1; whole numbers stored as floating
        point become int64.

    Raises
    ------
    UserError
        As `read_image`, and if the file is in colour, has other dimensions, or values
        that are not whole numbers from 0 on.
    """
    path = Path(path)
    array, coloured = _read(path, palette_to_rgb=False)
    if coloured:
        raise UserError(
            f"{path} is a colour picture, not a label image; save the labels as one number "
            "per pixel (8- or 16-bit grey)."
        )
    if array.ndim not in (2, 3):
        raise UserError(
            f"{path} has shape {array.shape}; a label image has two dimensions (y, x), or "
            "three for several levels."
        )
    return _as_labels(array, path)


def write_labels(path: str | Path, labels: npt.NDArray[Any]) -> None:
    """Write a label image as a compressed TIFF, whole or not at all.

    Parameters
    ----------
    path : str or Path
    labels : integer array
        From 0 on; stored as uint16, or as uint32 where that is too small.

    Raises
    ------
    UserError
        If the disk is full or the file cannot be written.
    """
    import tifffile

    stored = labels.astype(label_dtype(int(labels.max(initial=0))))
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, stored, compression="zlib", photometric="minisblack")


def label_dtype(largest: int) -> np.dtype[Any]:
    """Return the type in which labels up to `largest` are stored: uint16, else uint32."""
    return np.dtype(np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32)


def _read(path: Path, *, palette_to_rgb: bool) -> tuple[npt.NDArray[Any], bool]:
    """Return the array and whether its last axis holds colours."""
    start = first_bytes(path)
    try:
        if is_tiff(start):
            return _read_tiff(path)
        if start.startswith(_PNG) and start[24:25] == b"\x10":
            return _read_deep_png(path)
        if start.startswith((_PNG, _JPEG)):
            return _read_with_pillow(path, palette_to_rgb=palette_to_rgb)
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(f"{path} does not fit into memory.") from error
    except Exception as error:  # codecs raise nearly every kind on damaged files
        raise damaged(path) from error
    raise UserError(f"{path} is not a TIFF, PNG or JPEG picture, whatever its name says.")


def damaged(path: Path) -> UserError:
    """Return the error of files whose pixels cannot be read."""
    return UserError(
        f"{path} could not be read: it is damaged, cut off or compressed in an unknown way; "
        "copy or export it again."
    )


def is_tiff(start: bytes) -> bool:
    """Tell by its first bytes whether a file is a TIFF or BigTIFF."""
    return start.startswith(_TIFF)


def first_bytes(path: Path) -> bytes:
    """Return the first 32 bytes of a file.

    Raises
    ------
    UserError
        If it is missing, empty, a folder, or cannot be read.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; a picture file is needed.")
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; check the name.") from error
    except OSError as error:
        raise UserError(f"{path} could not be read ({error.strerror}).") from error
    if not start:
        raise UserError(f"{path} is empty (0 bytes); copy or export it again.")
    return start


def _read_tiff(path: Path) -> tuple[npt.NDArray[Any], bool]:
    import tifffile

    with page_complaints() as complaints, tifffile.TiffFile(path) as file:
        if not file.series:
            raise ValueError("it holds no picture")
        series = file.series[0]
        array, axes = series.asarray(), series.axes
    if complaints:
        raise ValueError("pages are missing")
    if "S" in axes:
        array = np.moveaxis(array, axes.index("S"), -1)
    return array, "S" in axes


@contextmanager
def page_complaints() -> Iterator[list[str]]:
    """Collect what tifffile logs about missing pages and files, instead of printing it."""
    complaints: list[str] = []
    thread = threading.get_ident()

    def collect(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if record.thread != thread:
            return True
        is_broken = any(text in message for text in (*_BROKEN, MISSING_FILE))
        if is_broken:
            complaints.append(message)
        return not is_broken and _CUT_VALUE not in message

    logger = logging.getLogger("tifffile")
    logger.addFilter(collect)
    try:
        yield complaints
    finally:
        logger.removeFilter(collect)


def _read_deep_png(path: Path) -> tuple[npt.NDArray[Any], bool]:
    # Pillow would cut 16-bit colours down to 8 bits.
    import imagecodecs

    array = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    if array.ndim == 3 and array.shape[-1] == 2:
        array = array[..., [0, 0, 0, 1]]
    return array, array.ndim == 3


def _read_with_pillow(path: Path, *, palette_to_rgb: bool) -> tuple[npt.NDArray[Any], bool]:
    import PIL.Image

    with warnings.catch_warnings():
        # Pictures of 100 megapixels are usual here, not an attack.
        warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
        # Read whole: Pillow keeps the file open where decoding fails.
        try:
            picture = PIL.Image.open(io.BytesIO(path.read_bytes()))
        except PIL.Image.DecompressionBombError as error:
            raise UserError(
                f"{path} has more pixels than a PNG or JPEG may have here; save it as a TIFF."
            ) from error
        array = np.array(_plain_mode(picture, palette_to_rgb=palette_to_rgb))
    return array, array.ndim == 3


def _plain_mode(picture: Image, *, palette_to_rgb: bool) -> Image:
    if picture.mode == "P" and not palette_to_rgb:
        return picture
    transparent = picture.mode == "LA" or "transparency" in picture.info
    if picture.mode in ("P", "LA", "PA", "CMYK", "YCbCr"):
        return picture.convert("RGBA" if transparent else "RGB")
    return picture


def _as_labels(array: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind == "f" and _is_whole(array):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise UserError(f"{path} holds {array.dtype} values; labels are whole numbers.")
    if array.min(initial=0) < 0:
        raise UserError(f"{path} has negative values; labels are whole numbers from 0 on.")
    return array


def _is_whole(array: npt.NDArray[Any]) -> bool:
    """Whether all numbers are whole, and small enough to be told from their neighbours."""
    return bool(np.all(np.abs(array) < _MOST_FLOAT) and np.array_equal(array, np.round(array)))
