"""A network that knows the picture: what it answers can be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from napari_semantic_sam.inference.predictor import PictureEmbedding
from napari_semantic_sam.inference.tiles.cache import EmbeddingCache
from napari_semantic_sam.inference.tiles.plane_embedding import PlaneEmbedding
from napari_semantic_sam.model.config import PRESETS
from napari_semantic_sam.model.predictions import DenseMasks, LayerPrediction
from napari_semantic_sam.model.types import Geometry, ImageEmbedding

OUTSIDE = -8.0


@dataclass
class KnownPicture:
    """Answers a click with the object of each level that lies under it.

    Attributes
    ----------
    truth : (L, H, W) int array
        Label images of level 1, 2, …; tokens are counted backwards, so that mixing up the two
        shows.
    scores : mapping of (level, label) to float
        Predicted IoU of an object, 0.95 where missing; background has 0.1.
    stride : int
        Pixels per cell of the masks.
    """

    truth: np.ndarray
    scores: dict[tuple[int, int], float]
    stride: int = 2

    def __post_init__(self) -> None:
        self.asked: list[tuple[float, float]] = []
        self._known: dict[tuple[int, int], torch.Tensor] = {}
        self.config = PRESETS["tiny"]
        self.level_order = tuple(reversed(range(len(self.truth))))
        self.checkpoint_hash = "c0ffee"
        self.automatic: dict[str, float] = {}

    def encode(self, images, preparation_hash=""):
        shape = self.truth.shape[1:]
        frame = Geometry(shape, shape), self.stride, self.checkpoint_hash
        return ImageEmbedding({}, (), *frame, preparation_hash)

    def decode_last(self, embedding, prompts, *, joint=False):
        found = [self._answer(*box[:2]) for box in prompts.anchor_boxes.tolist()]
        logits = torch.stack([masks for masks, _ in found])
        scores = torch.tensor([values for _, values in found])
        return LayerPrediction(scores, torch.zeros(*scores.shape, 4), DenseMasks(logits))

    def _answer(self, x, y):
        self.asked.append((x, y))
        height, width = self.truth.shape[1:]
        row, column = int(y * height), int(x * width)
        masks, scores = [], []
        for level in (len(self.truth) - token for token in range(len(self.truth))):
            labels = self.truth[level - 1]
            label = labels[row, column]
            key = (level, int(label))
            if key not in self._known:
                self._known[key] = self._logits(labels == label)
            masks.append(self._known[key])
            scores.append(self.scores.get(key, 0.95) if label else 0.1)
        return torch.stack(masks), scores

    def _logits(self, mask):
        """Distance to the outline, in cells, positive inside."""
        distance = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
        steps = slice(self.stride // 2, None, self.stride)
        return torch.from_numpy(4 * distance[steps, steps]).float().clamp(min=OUTSIDE)


class KnowingPredictor:
    """Stands for a predictor over a `KnownPicture`."""

    def __init__(self, truth, scores=None, stride=2):
        self.model = KnownPicture(np.asarray(truth), dict(scores or {}), stride)
        self.levels = range(1, len(truth) + 1)

    def embed(self, image, *, channels=None):
        shape = self.model.truth.shape[1:]
        assert np.asarray(image).shape[:2] == shape
        return PictureEmbedding(self.model.encode(image), shape)

    def embed_plane(self, plane, *, scale=None):
        return PlaneEmbedding(plane, self.model, EmbeddingCache(), scale=scale)


def disc(shape, y, x, radius):
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(yy - y, xx - x) <= radius


def cells_with_nuclei(shape=(160, 200)):
    """Six cells, five of them with a nucleus, one of those with a nucleolus."""
    cells, nuclei, nucleoli = np.zeros((3, *shape), int)
    places = [(40, 40), (40, 100), (40, 160), (115, 40), (115, 100), (115, 160)]
    for index, (y, x) in enumerate(places, 1):
        cells[disc(shape, y, x, 26)] = index
        if index < 6:
            nuclei[disc(shape, y + 3, x - 2, 12)] = index
    nucleoli[disc(shape, 43, 38, 5)] = 1
    return np.stack([cells, nuclei, nucleoli])
