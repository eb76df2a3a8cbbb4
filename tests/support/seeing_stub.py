"""A network that sees nothing but the tile it is given: bright things are its objects."""

from __future__ import annotations

import numpy as np
import torch
from automatic_stub import disc
from scipy import ndimage

from napari_semantic_sam.inference.automatic import AutomaticSettings, Thresholds
from napari_semantic_sam.inference.image import Plane
from napari_semantic_sam.inference.tiles.cache import EmbeddingCache
from napari_semantic_sam.inference.tiles.plane_embedding import PlaneEmbedding
from napari_semantic_sam.model.config import PRESETS
from napari_semantic_sam.model.predictions import DenseMasks, LayerPrediction
from napari_semantic_sam.model.types import Geometry, ImageEmbedding

STRIDE = 2
CUTS = (60, 180)
"""Objects of level 1 are brighter than the first, those of level 2 than the second."""


class SeeingModel:
    """Answers a click with the connected bright parts under it, one for each level."""

    def __init__(self):
        self.config = PRESETS["tiny"]
        self.level_order = (0, 1)
        self.checkpoint_hash = "5ee5"
        self.automatic = {}
        self.scores = (0.9, 0.9)
        self.asked = []
        self.encoded = []

    def encode(self, images, preparation_hash=""):
        grey = images[0, 0].numpy()
        self.encoded.append([ndimage.label(grey > cut)[0] for cut in CUTS])
        self._known = {}
        features = {"number": torch.tensor(len(self.encoded) - 1)}
        geometry = Geometry(grey.shape, grey.shape)
        return ImageEmbedding(
            features, (), geometry, STRIDE, self.checkpoint_hash, preparation_hash
        )

    def decode_last(self, embedding, prompts, *, joint=False):
        parts = self.encoded[int(embedding.features["number"])]
        height, width = parts[0].shape
        logits, scores = [], []
        for x, y, _, _ in prompts.anchor_boxes.tolist():
            self.asked.append((x, y))
            found = [labels[int(y * height), int(x * width)] for labels in parts]
            logits.append(torch.stack([self._mask(parts, *key) for key in enumerate(found)]))
            pairs = zip(self.scores, found, strict=True)
            scores.append([score if label else 0.1 for score, label in pairs])
        boxes = torch.zeros(len(logits), len(CUTS), 4)
        return LayerPrediction(torch.tensor(scores), boxes, DenseMasks(torch.stack(logits)))

    def _mask(self, parts, rank, label):
        key = (id(parts), rank, int(label))
        if key not in self._known:
            self._known[key] = _logits((parts[rank] == label) & (label > 0))
        return self._known[key]


def _logits(mask):
    """Distance to the outline, in cells, positive inside."""
    padded = np.pad(mask, 1, mode="edge")  # what goes on beyond the tile has no outline there
    distance = ndimage.distance_transform_edt(padded) - ndimage.distance_transform_edt(~padded)
    if mask.all() or not mask.any():
        distance[:] = 8 if mask.all() else -8
    cells = distance[1:-1, 1:-1][STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    return torch.from_numpy(4 * cells).float().clamp(-8, 8)


class SeeingPredictor:
    """Stands for a predictor over pictures of bright things."""

    def __init__(self):
        self.model = SeeingModel()
        self.levels = range(1, 3)

    def embed_plane(self, plane, *, scale=1.0, edge=None, context=0):
        cache = EmbeddingCache()
        return PlaneEmbedding(plane, self.model, cache, scale=scale, edge=edge, context=context)


def settings(*levels, spacing=7.0):
    return AutomaticSettings(levels or (1, 2), Thresholds(0.3, 0.5), spacing=spacing)


def bright(shape, *objects):
    """A plane of discs ``(y, x, radius, value)``."""
    picture = np.zeros(shape, np.uint8)
    for y, x, radius, value in objects:
        picture[disc(shape, y, x, radius)] = value
    return picture


def plane_of(picture):
    return Plane.of(picture, contrast_limits=(0, 255))
