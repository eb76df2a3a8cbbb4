"""One picture that shows what clicks give: nested contours, and a tile for each level."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from skimage.measure import approximate_polygon, find_contours

from napari_semantic_sam.widgets.tables import LEVEL_COLOURS

Labels = npt.NDArray[Any]
Colour = tuple[int, int, int]

BACKGROUND: Colour = (20, 22, 27)
TEXT: Colour = (236, 238, 242)
QUIET_TEXT: Colour = (150, 156, 168)

SIDE = 1024
MARGIN = 32
GAP = 16
HEADER = 72
CAPTION = 30

SPECK = 0.02
"""Holes and islands smaller than this share of their mask have no outline, only their colour."""

FINE = 3
"""Lines are drawn this many times larger and then reduced, which makes them smooth."""


def draw_picture(
    image: npt.NDArray[np.uint8],
    levels: Mapping[int, Labels],
    clicks: Sequence[tuple[float, float]],
) -> Image.Image:
    """Draw the picture.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    levels : mapping of level to (H, W) integer array
        Label image of each level, 0 where there is nothing.
    clicks : sequence of (y, x)
        In pixels of `image`.
    """
    tiles = math.ceil(len(levels) / 2)
    tile = (SIDE - (tiles - 1) * GAP) // tiles - CAPTION
    right = MARGIN + SIDE + GAP
    size = (right + 2 * tile + GAP + MARGIN, MARGIN + HEADER + SIDE + MARGIN)
    sheet = Image.new("RGB", size, BACKGROUND)
    _write_header(sheet, levels, clicks)
    sheet.paste(_overview(image, levels, clicks), (MARGIN, MARGIN + HEADER))
    for index, level in enumerate(sorted(levels)):
        left = right + index % 2 * (tile + GAP)
        top = MARGIN + HEADER + index // 2 * (tile + CAPTION + GAP)
        _write_caption(sheet, (left, top), tile, level, levels)
        sheet.paste(_tile(image, levels[level], _colour(level), tile), (left, top + CAPTION))
    return sheet


def _overview(
    image: npt.NDArray[np.uint8],
    levels: Mapping[int, Labels],
    clicks: Sequence[tuple[float, float]],
) -> Image.Image:
    canvas, scale = _enlarged(image, SIDE)
    pen = ImageDraw.Draw(canvas)
    for level in sorted(levels):  # the finest last, so that nothing hides it
        _draw_outlines(pen, levels[level], _colour(level), scale, width=2 * FINE)
    for y, x in clicks:
        _draw_click(pen, (x + 0.5) * scale, (y + 0.5) * scale)
    return _reduced(canvas)


def _tile(image: npt.NDArray[np.uint8], labels: Labels, colour: Colour, side: int) -> Image.Image:
    grey = image.mean(axis=-1, keepdims=True) * 0.45
    inside = (labels > 0)[..., None]
    mixed = np.where(inside, 0.45 * image + 0.55 * np.array(colour), grey)
    canvas, scale = _enlarged(mixed.astype(np.uint8), side)
    _draw_outlines(ImageDraw.Draw(canvas), labels, (255, 255, 255), scale, width=FINE)
    return _reduced(canvas)


def _draw_outlines(
    pen: ImageDraw.ImageDraw, labels: Labels, colour: Colour, scale: float, width: int
) -> None:
    for label in np.unique(labels[labels > 0]):
        # A frame of background closes the outlines that run into the edge of the picture.
        mask = np.pad((labels == label).astype(np.float32), 1)
        for outline in find_contours(mask, 0.5):
            if _enclosed_area(outline) < SPECK * mask.sum():
                continue
            smooth = approximate_polygon(outline, tolerance=0.4)
            corners = [((x - 0.5) * scale, (y - 0.5) * scale) for y, x in smooth]
            pen.line(corners, fill=(0, 0, 0), width=width + 2 * FINE, joint="curve")
            pen.line(corners, fill=colour, width=width, joint="curve")


def _enclosed_area(outline: npt.NDArray[np.float64]) -> float:
    y, x = outline.T
    return abs(float(np.dot(y[:-1], x[1:]) - np.dot(y[1:], x[:-1]))) / 2


def _draw_click(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
    for radius, colour in ((6 * FINE, (0, 0, 0)), (4 * FINE, (255, 255, 255))):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _enlarged(image: npt.NDArray[np.uint8], side: int) -> tuple[Image.Image, float]:
    """Return a canvas whose longer edge is ``side * FINE``, and its scale."""
    scale = side * FINE / max(image.shape[:2])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return Image.fromarray(image).resize(size, Image.Resampling.BICUBIC), scale


def _reduced(canvas: Image.Image) -> Image.Image:
    return canvas.reduce(FINE)


def _write_header(
    sheet: Image.Image, levels: Mapping[int, Labels], clicks: Sequence[tuple[float, float]]
) -> None:
    pen = ImageDraw.Draw(sheet)
    count = sum(_count(labels) for labels in levels.values())
    title = f"{len(clicks)} clicks, {count} masks"
    pen.text((MARGIN, MARGIN - 6), title, fill=TEXT, font=_font(34))
    explanation = "Each click (white dot) gives every structure under it, from coarse to fine."
    pen.text((MARGIN, MARGIN + 36), explanation, fill=QUIET_TEXT, font=_font(18))


def _write_caption(
    sheet: Image.Image, where: tuple[int, int], width: int, level: int, levels: Mapping[int, Labels]
) -> None:
    pen = ImageDraw.Draw(sheet)
    left, top = where
    ends = {min(levels): " (coarsest)", max(levels): " (finest)"}
    count = _count(levels[level])
    pen.rectangle((left, top + 4, left + 14, top + 18), fill=_colour(level))
    pen.text((left + 24, top), f"Level {level}{ends.get(level, '')}", fill=TEXT, font=_font(18))
    masks = f"{count} mask" if count == 1 else f"{count} masks"
    pen.text((left + width, top), masks, fill=QUIET_TEXT, font=_font(18), anchor="ra")


def _count(labels: Labels) -> int:
    return len(np.unique(labels[labels > 0]))


def _colour(level: int) -> Colour:
    return LEVEL_COLOURS[(level - 1) % len(LEVEL_COLOURS)]


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
