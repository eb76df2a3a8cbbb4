"""What a TIFF of labels says besides its pixels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from napari_semantic_sam.annotation.exchange.document import RECORD, Document, header_of
from napari_semantic_sam.annotation.exchange.rows import MALFORMED

_OME_UNITS = {
    "nanometer": "nm",
    "micrometer": "µm",
    "micron": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "pixel": "pixel",
}


@dataclass(frozen=True)
class TiffFacts:
    """What a TIFF says besides its pixels."""

    header: Any = None
    pixel_size: tuple[float, float] | None = None
    unit: str = ""
    axes: str = ""


def metadata_of(document: Document, *, ome: bool) -> dict[str, Any]:
    """Return what `tifffile.imwrite` is to note of a document."""
    return _ome_metadata(document) if ome else {RECORD: header_of(document)}


def _ome_metadata(document: Document) -> dict[str, Any]:
    names = [document.names.get(level) or f"level {level}" for level in sorted(document.levels)]
    facts: dict[str, Any] = {
        "Name": document.image,
        "Description": json.dumps({RECORD: header_of(document)}),
        "Channel": {"Name": names},
    }
    if document.pixel_size is not None:
        for axis, size in zip("YX", document.pixel_size, strict=True):
            facts[f"PhysicalSize{axis}"] = size
            facts[f"PhysicalSize{axis}Unit"] = _OME_UNITS.get(document.unit, "reference frame")
    if "Z" in document.axes and document.steps:
        facts["PhysicalSizeZ"] = document.steps[document.axes.index("Z")]
        facts["PhysicalSizeZUnit"] = _OME_UNITS.get(document.unit, "reference frame")
    return facts


def read_facts(path: Path) -> TiffFacts:
    """Read what a TIFF says besides its pixels; other kinds of files say nothing."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            axes = file.series[0].axes
            if file.ome_metadata:
                return _ome(file.ome_metadata, axes)
            shaped = file.shaped_metadata or ({},)
            return TiffFacts(shaped[0].get(RECORD), axes=axes)
    except (tifffile.TiffFileError, ElementTree.ParseError, *MALFORMED):
        return TiffFacts()


def _ome(xml: str, axes: str) -> TiffFacts:
    image = ElementTree.fromstring(xml).find("{*}Image")
    pixels = None if image is None else image.find("{*}Pixels")
    if image is None or pixels is None:
        return TiffFacts(axes=axes)
    size, unit = None, ""
    if "PhysicalSizeX" in pixels.attrib and "PhysicalSizeY" in pixels.attrib:
        size = float(pixels.attrib["PhysicalSizeY"]), float(pixels.attrib["PhysicalSizeX"])
        short = pixels.attrib.get("PhysicalSizeXUnit", "µm")
        unit = {short: long for long, short in reversed(_OME_UNITS.items())}.get(short, "")
    return TiffFacts(_described(image.findtext("{*}Description") or ""), size, unit, axes)


def _described(text: str) -> Any:
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return data.get(RECORD) if isinstance(data, dict) else None
