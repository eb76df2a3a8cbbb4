"""A picture that is ready to be asked about."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_semantic_sam.evaluation.objects import TrueObject
from napari_semantic_sam.inference.combination import Combined, combine
from napari_semantic_sam.inference.prompt import Prompt

if TYPE_CHECKING:
    from napari_semantic_sam.inference import PictureEmbedding, Predictor, PromptResult

_PROMPTS_PER_CALL = 32
"""Enough to keep the processor busy, few enough for their masks to fit into memory."""


@dataclass
class Scene:
    """One embedded picture with its annotated objects, ready to be prompted.

    Attributes
    ----------
    predictor : Predictor
    embedding : PictureEmbedding
    objects : list of TrueObject
        All there are.
    prompted : list of TrueObject
        Those that get a prompt.
    rng : numpy Generator
        For random clicks.
    prompts, seconds
        How many prompts were given so far, and the time it took to answer them.
    """

    predictor: Predictor
    embedding: PictureEmbedding
    objects: list[TrueObject]
    prompted: list[TrueObject]
    rng: np.random.Generator
    prompts: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)

    def click(self, points: Sequence[tuple[int, int]]) -> Iterator[PromptResult]:
        """Yield the result of a click at each pixel ``(y, x)``."""
        for start in range(0, len(points), _PROMPTS_PER_CALL):
            yield from self._predict(points=points[start : start + _PROMPTS_PER_CALL])

    def draw(self, boxes: Sequence[tuple[int, int, int, int]]) -> Iterator[PromptResult]:
        """Yield the result of each box ``(y0, x0, y1, x1)``."""
        for start in range(0, len(boxes), _PROMPTS_PER_CALL):
            yield from self._predict(boxes=boxes[start : start + _PROMPTS_PER_CALL])

    def combine(self, prompts: Sequence[Prompt]) -> Combined:
        """Return what all prompts of one object give together; counts as one prompt more."""
        start = time.perf_counter()
        combined = combine(self.predictor, self.embedding, prompts)
        self.seconds += time.perf_counter() - start
        self.prompts += 1
        return combined

    def _predict(
        self,
        points: Sequence[tuple[int, int]] = (),
        boxes: Sequence[tuple[int, int, int, int]] = (),
    ) -> list[PromptResult]:
        start = time.perf_counter()
        results = self.predictor.predict(self.embedding, points=points, boxes=boxes)
        self.seconds += time.perf_counter() - start
        self.prompts += len(results)
        return results
