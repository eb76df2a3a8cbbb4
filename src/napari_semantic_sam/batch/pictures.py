"""From files to planes: how a run reads its pictures, and which planes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from napari_semantic_sam.batch.object_scale import ObjectScale
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.image.axes import Axes, doubt_about, guess_axes
from napari_semantic_sam.inference.image.source import ImageSource
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.io.opening import OpenedImage, Scale, open_image


@dataclass(frozen=True)
class PictureOptions:
    """How pictures are to be read and shown to the network; the same for all of a run.

    Attributes
    ----------
    axes : str
        Letters for the dimensions, see `checked_axes`; "" is what each file says, and a
        guess where it says nothing.
    channels : sequence of one to three ints, optional
        See `ImageSource`.
    plane : mapping of letter to int
        Of a stack only the planes with this index along T or Z.
    pixel_size : float, optional
        Side of a pixel in micrometres, instead of what the file says.
    object_scale : ObjectScale
        How large the network sees objects.
    """

    axes: str = ""
    channels: Sequence[int] | None = None
    plane: Mapping[str, int] = field(default_factory=dict)
    pixel_size: float | None = None
    object_scale: ObjectScale = field(default_factory=ObjectScale)


AS_THE_FILES_SAY = PictureOptions()


@dataclass(frozen=True, eq=False)
class Picture:
    """An open picture and the planes of it that are wanted.

    Attributes
    ----------
    source : ImageSource
    planes : tuple of PlaneIndex
        In their order, the last axis fastest.
    axes : str
        Of T and Z those that the planes run along; none for a single plane.
    lengths : tuple of int
        Number of planes along each of them.
    scale : Scale
        Of the result.
    notices : tuple of str
        See `OpenedImage`; and what `PictureOptions.object_scale` means for it.
    """

    source: ImageSource
    planes: tuple[PlaneIndex, ...]
    axes: str
    lengths: tuple[int, ...]
    scale: Scale
    notices: tuple[str, ...]

    def place(self, plane: PlaneIndex) -> dict[str, int]:
        """Return where a plane lies, by letters of `axes`."""
        where = zip(self.source.plane_axes, plane, strict=True)
        return {letter: number for letter, number in where if letter in self.axes}


@contextmanager
def open_picture(path: Path, options: PictureOptions) -> Iterator[Picture]:
    """Open a file as planes, without reading them.

    Raises
    ------
    UserError
        If it cannot be opened, or the options do not fit it.
    """
    with open_image(path) as opened:
        channels = None if options.channels is None else tuple(options.channels)
        axes, doubts = _axes(opened, options, path)
        source = ImageSource(
            opened.levels,
            axes,
            channels,
            pixel_size=options.pixel_size or opened.scale.pixel_size,
            name=str(path),
        )
        planes = _wanted_planes(source, options.plane)
        counts = dict(zip(source.plane_axes, source.plane_counts, strict=True))
        walked = [letter for letter in counts if counts[letter] > 1 and letter not in options.plane]
        yield Picture(
            source,
            planes,
            "".join(walked),
            tuple(counts[letter] for letter in walked),
            _scale(opened.scale, options.pixel_size),
            (*opened.notices, *doubts, *_explained(source, options.object_scale)),
        )


def _axes(opened: OpenedImage, options: PictureOptions, path: Path) -> tuple[Axes, list[str]]:
    """Return the axes that were said or guessed, and what is to be doubted about them."""
    if options.axes:
        return options.axes, []
    finest = opened.levels[0]
    has_channels = options.channels is not None
    axes = guess_axes(finest.shape, finest.dtype, opened.names, has_channels=has_channels)
    doubt = doubt_about(axes, finest.shape, opened.names)
    return axes, [f"{path}: {doubt}"] if doubt else []


def _explained(source: ImageSource, wish: ObjectScale) -> list[str]:
    """Say how large the network sees the picture, if somebody wished for it."""
    try:
        wished = wish.of(source.pixel_size)
    except UserError as error:
        raise UserError(f"{source.name}: {error}") from error
    return [] if wished is None else [f"{source.name}: {wished.because}"]


def _wanted_planes(source: ImageSource, chosen: Mapping[str, int]) -> tuple[PlaneIndex, ...]:
    for letter, number in chosen.items():
        if letter not in source.plane_axes:
            raise UserError(
                f"{source.name} has no axis {letter}: its axes are {source.axes}; choose the plane "
                "by another one, or say what the axes are."
            )
        count = source.plane_counts[source.plane_axes.index(letter)]
        if number >= count:
            raise UserError(
                f"{source.name} has no plane {letter.lower()}={number}; there are {count}, "
                f"0 to {count - 1}."
            )
    return tuple(
        index
        for index in source.planes()
        if all(
            chosen.get(letter, number) == number
            for letter, number in zip(source.plane_axes, index, strict=True)
        )
    )


def _scale(known: Scale, pixel_size: float | None) -> Scale:
    if pixel_size is None:
        return known
    return Scale(
        {**known.sizes, "Y": pixel_size, "X": pixel_size}, {**known.units, "Y": "µm", "X": "µm"}
    )
