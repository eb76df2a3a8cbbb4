"""How the axes of an image layer are those of a picture: y, x, channels, and planes to walk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import Dims
from napari.layers import Image
from napari.utils.transforms import Affine

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.results import Box
from napari_semantic_sam.widgets.messages import MESSAGES

_LETTERS = "TZ"
_TIMES = ("t", "time", "frame", "frames")
Coordinates = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """Which axes of an image layer's data are what.

    Layers that serve a session on the image (prompts, levels, preview) have the same axes,
    except that they are one long where the image has channels, and stretched over all of them:
    what is drawn on one channel is there on all.

    Attributes
    ----------
    lengths : tuple of int
        Of the axes; colours of an RGB image do not count.
    y, x : int
        The axes of a plane.
    channel : int or None
        The axis of channels. All others are walked plane by plane.
    """

    lengths: tuple[int, ...]
    y: int
    x: int
    channel: int | None = None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.lengths)

    @cached_property
    def walked(self) -> tuple[int, ...]:
        """The axes of planes."""
        return tuple(
            axis for axis in range(self.ndim) if axis not in (self.y, self.x, self.channel)
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a plane."""
        return self.lengths[self.y], self.lengths[self.x]

    @property
    def stack(self) -> tuple[int, ...]:
        """Lengths of the axes of planes."""
        return tuple(self.lengths[axis] for axis in self.walked)

    @property
    def own_lengths(self) -> tuple[int, ...]:
        """Lengths of the axes of a layer of labels."""
        return tuple(1 if axis == self.channel else n for axis, n in enumerate(self.lengths))

    def is_shown(self, displayed: Sequence[int], ndim: int) -> bool:
        """Whether the axes of a plane are those on display.

        Parameters
        ----------
        displayed : sequence of int
            Axes of a viewer.
        ndim : int
            How many it has; an image has the last ones.
        """
        return _own_axes(displayed, ndim, self.ndim) == sorted((self.y, self.x))

    def letters(self, names: Sequence[str]) -> str:
        """Return a letter of T, Z, C, Y, X for each axis.

        Parameters
        ----------
        names : sequence of str
            What the user calls the axes; only whether a single one of planes is time counts.

        Raises
        ------
        UserError
            If there are more than two axes to walk.
        """
        if len(self.walked) > len(_LETTERS):
            raise UserError(MESSAGES["too many axes"].format(count=len(self.walked)))
        walked = _LETTERS
        if len(self.walked) == 1:
            walked = "T" if names[self.walked[0]].strip().lower() in _TIMES else "Z"
        known = {self.y: "Y", self.x: "X", **dict(zip(self.walked, walked, strict=False))}
        return "".join(known.get(axis, "C") for axis in range(self.ndim))

    def plane_of(self, where: Sequence[float]) -> PlaneIndex:
        """Return the plane that coordinates of the data lie in, or the nearest one."""
        return tuple(
            int(np.clip(np.floor(where[axis] + 0.5), 0, self.lengths[axis] - 1))
            for axis in self.walked
        )

    def pixel(self, where: Sequence[float]) -> tuple[float, float]:
        """Return ``(y, x)`` of coordinates of the data."""
        return float(where[self.y]), float(where[self.x])

    def pixels(self, where: Coordinates) -> Coordinates:
        """Return ``(n, 2)`` pixels of ``(n, ndim)`` coordinates."""
        return where[:, [self.y, self.x]]

    def points(self, plane: PlaneIndex, pixels: npt.ArrayLike) -> Coordinates:
        """Return ``(n, ndim)`` coordinates of ``(n, 2)`` pixels of a plane."""
        listed = np.asarray(pixels, dtype=float).reshape(-1, 2)
        where = np.zeros((len(listed), self.ndim))
        where[:, [self.y, self.x]] = listed
        where[:, list(self.walked)] = plane
        return where

    def corners(self, plane: PlaneIndex, box: tuple[float, float, float, float]) -> Coordinates:
        """Return two corners of a box ``(y0, x0, y1, x1)`` of edges of pixels."""
        # napari puts whole numbers at the centres of pixels.
        return self.points(plane, np.reshape(box, (2, 2)) - 0.5)

    def origin(self, plane: PlaneIndex, y: float = 0, x: float = 0) -> Coordinates:
        """Return the coordinates of a pixel of a plane."""
        return self.points(plane, (y, x))[0]

    def one_plane(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a part ``(h, w, ...)`` of a plane with all axes of the data, a view."""
        lengths = [1] * self.ndim
        lengths[self.y], lengths[self.x] = pixels.shape[:2]
        return pixels.reshape(*lengths, *pixels.shape[2:])

    def region(self, region: Sequence[slice]) -> tuple[PlaneIndex, Box]:
        """Return the first plane, and the box in each plane, of a region of the data."""
        rows, columns = region[self.y], region[self.x]
        first = tuple(region[axis].start for axis in self.walked)
        return first, (rows.start, columns.start, rows.stop, columns.stop)

    def snapped(self, where: Coordinates) -> Coordinates:
        """Return ``(n, ndim)`` coordinates moved to the middle of their planes."""
        moved = np.array(where, dtype=float)
        for row in moved:
            row[list(self.walked)] = self.plane_of(row)
        if self.channel is not None:
            moved[:, self.channel] = 0
        return moved

    def in_layer(self, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return labels ``(*stack, H, W)`` as a layer has them, a view."""
        order = self._order
        if order == tuple(range(labels.ndim)):
            return labels
        whole = labels if self.channel is None else labels[..., None]
        return whole.transpose(np.argsort(order))

    def in_session(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what a layer has as labels ``(*stack, H, W)``, a view."""
        if self._order == tuple(range(data.ndim)) and self.channel is None:
            return data
        turned = data.transpose(self._order)
        return turned if self.channel is None else turned[..., 0]

    def placement(self, image: Image, origin: Coordinates | None = None) -> dict[str, Any]:
        """Return the options that put another layer where an image is, pixel on pixel.

        Parameters
        ----------
        image : Image
        origin : (ndim,) array, optional
            Where in the image the other layer begins; at its beginning when left out.
        """
        scale, begin = np.array(image.scale), np.zeros(self.ndim)
        begin[:] = 0 if origin is None else origin
        if self.channel is not None:
            count = self.lengths[self.channel]
            scale[self.channel] *= count
            begin[self.channel] = (count - 1) / 2
        # The part of the image's placement that comes before its `affine`.
        to_physical = Affine(
            scale=image.scale, translate=image.translate, rotate=image.rotate, shear=image.shear
        )
        return {
            "scale": scale,
            "translate": to_physical(begin),
            "rotate": image.rotate,
            "shear": image.shear,
            "affine": image.affine.affine_matrix,
            "units": image.units,
            "axis_labels": image.axis_labels,
        }

    @cached_property
    def _order(self) -> tuple[int, ...]:
        """Axes of the data in the order of a session, channels last."""
        channel = () if self.channel is None else (self.channel,)
        return (*self.walked, self.y, self.x, *channel)


@dataclass(frozen=True)
class Channels:
    """Which channels of an image the model sees.

    Attributes
    ----------
    axis : int
        Of the image's data.
    chosen : tuple of one to three ints
    """

    axis: int
    chosen: tuple[int, ...]


def frame_of(image: Image, dims: Dims, channel: int | None = None) -> Frame:
    """Return how an image is to be annotated: in the planes that are on display.

    Parameters
    ----------
    image : Image
    dims : Dims
        Of the viewer.
    channel : int, optional
        The axis of channels, of the image's data.

    Raises
    ------
    UserError
        If the viewer shows volumes, or the image has not enough axes.
    """
    if dims.ndisplay != 2:
        raise UserError(MESSAGES["3-D view"].format(image=image.name))
    others = [axis for axis in range(image.ndim) if axis != channel]
    if len(others) < 2:
        raise UserError(MESSAGES["no plane"].format(image=image.name))
    shown = _own_axes(dims.displayed, dims.ndim, image.ndim)
    y, x = shown if set(shown) <= set(others) else others[-2:]
    return Frame(lengths_of(image), y, x, channel)


def fitting_frame(image: Image, stack: tuple[int, ...], shape: tuple[int, int]) -> Frame | None:
    """Return a frame of an image with planes of a shape and lengths; None if there is none.

    Of several, the one with the last axes as the plane.
    """
    lengths = lengths_of(image)
    spare = [None] if len(lengths) == len(stack) + 2 else list(range(len(lengths)))
    for channel in spare:
        others = [axis for axis in range(len(lengths)) if axis != channel]
        for y, x in sorted(combinations(others, 2), reverse=True):
            frame = Frame(lengths, y, x, channel)
            if (frame.stack, frame.shape) == (stack, shape):
                return frame
    return None


def _own_axes(displayed: Sequence[int], ndim: int, own: int) -> list[int]:
    """Return axes of a viewer as those of an image, which has the last ones, in its order."""
    return sorted(axis - ndim + own for axis in displayed)


def lengths_of(image: Image) -> tuple[int, ...]:
    """Return the lengths of an image's axes, without that of the colours of RGB."""
    data = image.data[0] if image.multiscale else image.data
    return tuple(int(length) for length in data.shape[: image.ndim])
