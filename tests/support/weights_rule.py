"""Weights that anybody can regenerate from a published key and its shape.

The reference tensors were computed with these weights by the published implementation, so no
checkpoint is needed to compare with it. Every tensor comes from a generator seeded with the
CRC-32 of its key; a tensor stored under several keys is seeded with the first of them.
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from collections.abc import Sequence

import numpy as np
import torch

_PREDICTOR = "model.sem_seg_head.predictor."


def make_weights(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """The tensors of a whole synthetic checkpoint; copies share their memory."""
    made = {}
    weights = {}
    for key, shape in shapes.items():
        first = first_copy(key)
        if first not in made:
            made[first] = torch.from_numpy(make_tensor(first, shape))
        weights[key] = made[first]
    return weights


def first_copy(key: str) -> str:
    key = re.sub(rf"^{_PREDICTOR}(decoder\.)?bbox_embed\.\d+", f"{_PREDICTOR}_bbox_embed", key)
    return key.replace(f"{_PREDICTOR}decoder_norm.", f"{_PREDICTOR}decoder.norm.")


def make_tensor(key: str, shape: Sequence[int]) -> np.ndarray:
    if key == "model.criterion.empty_weight":
        return np.array([1.0, 0.1], dtype=np.float32)
    if key.endswith(".relative_position_index"):
        return _position_index(math.isqrt(shape[0]))
    values = _draw(key, shape, np.random.default_rng(zlib.crc32(key.encode("ascii"))))
    return np.ascontiguousarray(_adjust(key, values), dtype=np.float32)


def fingerprint(tensor: torch.Tensor) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the little-endian bytes."""
    return hashlib.sha256(tensor.numpy().tobytes()).hexdigest()[:16]


def _draw(key: str, shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    embeddings = ("level_embed", "label_enc.weight", "pb_embedding.weight", "mask_tokens.weight")
    if key.endswith(".sampling_offsets.bias"):
        return rng.uniform(-2.0, 2.0, shape)
    normal = rng.standard_normal(shape)
    if len(shape) == 1:
        return 1 + 0.1 * normal if key.endswith(".weight") else 0.02 * normal
    if key.endswith(embeddings):
        return normal
    return normal * (1.0 / np.sqrt(float(math.prod(shape[1:]))))


def _adjust(key: str, values: np.ndarray) -> np.ndarray:
    """Keep boxes from collapsing and tokens from agreeing, which would test little."""
    halved = rf"{_PREDICTOR}decoder\.layers\.\d+\.(linear2|\w+\.out_proj|\w+\.output_proj)\.weight"
    if key == f"{_PREDICTOR}mask_tokens.weight":
        return values * 2.0
    if re.fullmatch(halved, key):
        return values * 0.5
    if key == f"{_PREDICTOR}_bbox_embed.layers.2.weight":
        return values * 0.3
    if key == f"{_PREDICTOR}_bbox_embed.layers.2.bias":
        return values + np.array([0.0, 0.0, 0.4, 0.4])
    return values


def _position_index(window: int) -> np.ndarray:
    row, column = np.divmod(np.arange(window * window), window)
    rows = row[:, None] - row + window - 1
    columns = column[:, None] - column + window - 1
    return (rows * (2 * window - 1) + columns).astype(np.int64)
