"""Which label images belong to which picture: files of the same stem in different folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.io.images import IMAGE_SUFFIXES


@dataclass(frozen=True)
class PairedFiles:
    """A picture and its label images.

    Attributes
    ----------
    stem : str
        The name they share, without the ending.
    image : Path
    masks : dict of name to Path
        At least one; in the order of the folders given.
    """

    stem: str
    image: Path
    masks: dict[str, Path]


@dataclass(frozen=True)
class Pairs:
    """What `pair_files` found.

    Attributes
    ----------
    files : list of PairedFiles
        Sorted by stem.
    unmatched : list of str
        Stems with a picture but no labels, or labels but no picture, sorted.
    """

    files: list[PairedFiles]
    unmatched: list[str]


def pair_files(images: str | Path, masks: Mapping[str, str | Path]) -> Pairs:
    """Match the pictures of a folder with the label images of other folders by stem.

    Parameters
    ----------
    images : str or Path
        A folder of pictures (TIFF, PNG or JPEG).
    masks : mapping of name to str or Path
        Folders of label images, one for each granularity.

    Returns
    -------
    Pairs

    Raises
    ------
    UserError
        If a folder is missing, two of its pictures share a stem, or nothing matches.
    """
    pictures = image_files(images)
    labels = {name: image_files(folder) for name, folder in masks.items()}
    files, unmatched = [], set[str]()
    for stem in sorted(set(pictures).union(*labels.values())):
        found = {name: files_[stem] for name, files_ in labels.items() if stem in files_}
        if found and stem in pictures:
            files.append(PairedFiles(stem, pictures[stem], found))
        else:
            unmatched.add(stem)
    if not files:
        folders = ", ".join(str(folder) for folder in masks.values())
        raise UserError(
            f"No picture in {images} has a label image of the same name in {folders}; "
            "the names must agree but for the ending."
        )
    return Pairs(files, sorted(unmatched))


def image_files(folder: str | Path) -> dict[str, Path]:
    """Return the pictures of a folder by stem, hidden files left out.

    Raises
    ------
    UserError
        If the folder is missing, or two pictures share a stem.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give one that holds TIFF, PNG or JPEG files.")
    return by_stem(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def by_stem(paths: Iterable[str | Path]) -> dict[str, Path]:
    """Return files by their names without the ending (``.ome.tif`` is one ending).

    Raises
    ------
    UserError
        If two of them share a stem.
    """
    found: dict[str, Path] = {}
    for path in map(Path, paths):
        stem = path.stem.removesuffix(".ome")
        if stem in found:
            raise UserError(
                f"{found[stem]} and {path} have the same name but for the folder or ending, so "
                "their results could not be told apart; rename one."
            )
        found[stem] = path
    return found
