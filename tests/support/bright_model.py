"""A network that sees brightness: its masks are the bright pieces under a prompt."""

from __future__ import annotations

import threading

import numpy as np
import torch
from scipy import ndimage

from napari_semantic_sam.model.config import PRESETS
from napari_semantic_sam.model.predictions import DenseMasks, LayerPrediction
from napari_semantic_sam.model.types import Geometry, ImageEmbedding

DIM, BRIGHT = 60, 190
"""Token 0 is the piece brighter than the first, token 1 the one brighter than the second."""


class BrightModel:
    """Stands for `SemanticSAM`; a prompt asks for what lies at its centre.

    Attributes
    ----------
    encoded, decoded : int
        How often it was asked.
    """

    config = PRESETS["tiny"]
    level_order = (0, 1)
    checkpoint_hash = "bright"
    device = torch.device("cpu")

    def __init__(self):
        self.encoded = self.decoded = 0
        self._lock = threading.Lock()
        self.mask_decoder = self

    def eval(self):
        return self

    def project(self, features):
        return ()

    def encode(self, images, preparation_hash=""):
        with self._lock:
            self.encoded += 1
        size = tuple(images.shape[-2:])
        features = {"mask_features": images.mean(dim=1, keepdim=True)}
        geometry = Geometry(size, size)
        return ImageEmbedding(features, (), geometry, 1, self.checkpoint_hash, preparation_hash)

    def decode_last(self, embedding, prompts, *, joint=False):
        with self._lock:
            self.decoded += 1
        values = embedding.features["mask_features"][0, 0].numpy()
        height, width = values.shape
        masks = []
        for cx, cy, _, _ in prompts.anchor_boxes.tolist():
            y, x = min(int(cy * height), height - 1), min(int(cx * width), width - 1)
            masks += [_piece(values > threshold, y, x) for threshold in (DIM, BRIGHT)]
        logits = torch.from_numpy(np.stack(masks)).float().mul(16).sub(8)
        scores = torch.tensor([[0.9, 0.8]]).expand(len(prompts), -1)
        shaped = logits.unflatten(0, (len(prompts), 2))
        return LayerPrediction(scores, torch.zeros(len(prompts), 2, 4), DenseMasks(shaped))


class LazyPicture:
    """An array that computes what is asked for, and remembers how much that was.

    Parameters
    ----------
    shape : (H, W)
    discs : sequence of (y, x, radius, value)
        In pixels of the finest level; later ones lie on top.
    factor : int
        Pixels of the finest level per pixel of this one.
    broken : (y, x), optional
        A pixel of the finest level that cannot be read.
    """

    dtype = np.dtype(np.uint16)
    ndim = 2

    def __init__(self, shape, discs, factor=1, broken=None):
        self.shape = tuple(-(-side // factor) for side in shape)
        self.discs, self.factor, self.broken = discs, factor, broken
        self.pixels_read = 0

    def __getitem__(self, key):
        rows, columns = (np.arange(side)[part] for part, side in zip(key, self.shape, strict=True))
        hit = self.broken and self.broken[0] in rows and self.broken[1] in columns
        if hit and self.factor == 1:
            raise OSError("a chunk is missing")
        self.pixels_read += len(rows) * len(columns)
        y = (rows * self.factor + (self.factor - 1) / 2)[:, None]
        x = (columns * self.factor + (self.factor - 1) / 2)[None, :]
        values = np.zeros((len(rows), len(columns)), dtype=self.dtype)
        for cy, cx, radius, value in self.discs:
            values[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = value
        return values


def _piece(mask, y, x):
    if not mask[y, x]:
        return np.zeros_like(mask)
    labels, _ = ndimage.label(mask)
    return labels == labels[y, x]
