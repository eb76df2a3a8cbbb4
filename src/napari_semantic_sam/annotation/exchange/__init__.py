"""Kept labels to and from files that other programs read: TIFF with a table, COCO, GeoJSON.

Examples
--------
>>> from napari_semantic_sam.annotation.exchange import read_labels_file, write_labels_file
>>> document = read_labels_file("cells.labels.ome.tif")
>>> write_labels_file(document, "cells.geojson")
"""

from __future__ import annotations

from napari_semantic_sam.annotation.exchange.document import Document
from napari_semantic_sam.annotation.exchange.files import read_labels_file, write_labels_file

__all__ = ["Document", "read_labels_file", "write_labels_file"]
