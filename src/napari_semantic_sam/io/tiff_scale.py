"""What TIFF files say about the size of their pixels and their channels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from napari_semantic_sam.io.opening import Scale
from napari_semantic_sam.io.units import short_unit

if TYPE_CHECKING:
    import tifffile

_OME_SIZES = {
    "T": ("TimeIncrement", "TimeIncrementUnit", "s"),
    "Z": ("PhysicalSizeZ", "PhysicalSizeZUnit", "µm"),
    "Y": ("PhysicalSizeY", "PhysicalSizeYUnit", "µm"),
    "X": ("PhysicalSizeX", "PhysicalSizeXUnit", "µm"),
}
"""Attribute, attribute of its unit, and the unit where that is left out (OME 2016-06)."""


def scale_of(file: tifffile.TiffFile) -> Scale:
    """Return the steps along the dimensions, from the metadata of OME or ImageJ.

    The resolution of other files is left aside: it mostly is that of a printer.
    """
    if pixels := _ome_pixels(file):
        steps = {
            letter: (pixels.get(size, ""), pixels.get(unit, usual))
            for letter, (size, unit, usual) in _OME_SIZES.items()
        }
        return _scale(steps)
    if file.imagej_metadata:
        return _imagej(file.imagej_metadata, file.pages.first.tags)
    return Scale()


def channel_names(file: tifffile.TiffFile) -> tuple[str, ...]:
    """Return the names of the channels of an OME-TIFF, as far as there are any."""
    root = _ome_root(file)
    channels = [] if root is None else root.findall("{*}Image[1]/{*}Pixels/{*}Channel")
    names = tuple(channel.get("Name", "") for channel in channels)
    return names if any(names) else ()


def _ome_root(file: tifffile.TiffFile) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(file.ome_metadata) if file.ome_metadata else None
    except ElementTree.ParseError:
        return None


def _ome_pixels(file: tifffile.TiffFile) -> Mapping[str, str]:
    root = _ome_root(file)
    pixels = None if root is None else root.find("{*}Image/{*}Pixels")
    return {} if pixels is None else pixels.attrib


def _imagej(facts: Mapping[str, Any], tags: Any) -> Scale:
    unit = str(facts.get("unit", ""))
    steps = {
        "T": (facts.get("finterval", ""), str(facts.get("tunit", "s"))),
        "Z": (facts.get("spacing", ""), str(facts.get("zunit", unit))),
    }
    for letter in "YX":
        if tag := tags.get(f"{letter}Resolution"):
            pixels, per_units = tag.value
            steps[letter] = (per_units / pixels if pixels else "", unit)
    return _scale(steps)


def _scale(steps: Mapping[str, tuple[Any, str]]) -> Scale:
    """Keep the steps that are positive numbers in a known unit."""
    sizes, units = {}, {}
    for letter, (text, unit) in steps.items():
        try:
            size = float(text)
        except ValueError:
            continue
        if 0 < size < math.inf and short_unit(unit):
            sizes[letter], units[letter] = size, short_unit(unit)
    return Scale(sizes, units)
