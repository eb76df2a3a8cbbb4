"""One picture, many clicks: the network behind arrays and pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy.typing as npt
import torch

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.masks import cut_out, stability
from napari_semantic_sam.inference.preparation import prepare
from napari_semantic_sam.inference.prompts import checked_prompts, to_anchor_boxes
from napari_semantic_sam.inference.results import Candidate, PromptResult
from napari_semantic_sam.model.config import Kind
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.model.types import (
    Candidates,
    ImageEmbedding,
)

_PROMPTS_AT_ONCE = 64
_LOGITS_AT_ONCE = 2**26
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True, eq=False)
class PictureEmbedding:
    """What `Predictor.embed` computes once per picture.

    Attributes
    ----------
    image : ImageEmbedding
        The network's part.
    shape : (H, W)
        Of the picture.
    """

    image: ImageEmbedding
    shape: tuple[int, int]


class Predictor:
    """Segments pictures given as arrays.

    Parameters
    ----------
    model : SemanticSAM
        From `load_model`; it is put into evaluation mode.

    Examples
    --------
    >>> predictor = Predictor(load_model("tiny"))
    >>> embedding = predictor.embed(image)
    >>> (result,) = predictor.predict(embedding, points=[(120, 88)])
    >>> mask = result.best.full_mask()
    """

    def __init__(self, model: SemanticSAM) -> None:
        self.model = model.eval()
        self._level_of_token = {token: rank for rank, token in enumerate(model.level_order, 1)}

    @property
    def levels(self) -> range:
        """The levels of granularity, 1 (coarsest) to K."""
        return range(1, len(self.model.level_order) + 1)

    def embed(
        self,
        image: npt.ArrayLike,
        *,
        channels: Sequence[int] | None = None,
        contrast_limits: tuple[float, float] | None = None,
        scale: float | None = None,
    ) -> PictureEmbedding:
        """Do all the work that depends on the picture alone.

        Parameters
        ----------
        image : array
            ``(H, W)`` grey, ``(H, W, 3 or 4)`` RGB(A) or, with `channels`, ``(H, W, C)`` or
            ``(C, H, W)``; bool, integer or floating point; at least 8 pixels a side.
        channels : one to three ints, optional
            One becomes grey, two or three become red, green and blue.
        contrast_limits : (low, high), optional
            Values shown as black and white, instead of the 0.1 and 99.9 percentiles.
        scale : float, optional
            Pixels the network sees per pixel of the picture, 1/64 to 16, instead of its own
            choice.

        Raises
        ------
        UserError
            If the picture cannot be used, an option does not fit it, or memory runs out.
        """
        with torch.inference_mode(), _clear_about_memory():
            prepared = prepare(
                image,
                self.model.config,
                channels=channels,
                contrast_limits=contrast_limits,
                scale=scale,
            )
            pixels = torch.from_numpy(prepared.pixels)[None]
            embedding = self.model.encode(pixels, prepared.hash)
        return PictureEmbedding(embedding, prepared.shape)

    def predict(
        self,
        embedding: PictureEmbedding,
        points: npt.ArrayLike = (),
        boxes: npt.ArrayLike = (),
    ) -> list[PromptResult]:
        """Segment what lies under clicks and in boxes; each is answered on its own.

        Parameters
        ----------
        embedding : PictureEmbedding
            From `embed` with the same model.
        points : sequence of (y, x)
            In pixels of the picture; whole numbers are centres of pixels.
        boxes : sequence of (y0, x0, y1, x1)
            Edges of pixels: ``(0, 0, H, W)`` is the whole picture. What reaches beyond the
            picture is cut off.

        Returns
        -------
        list of PromptResult
            One for each click, then one for each box.

        Raises
        ------
        UserError
            If a click lies outside the picture, a box has no area in it, a coordinate is
            not finite, the checkpoint does not take such prompts, or memory runs out.
        EmbeddingMismatchError
            If the embedding was made by another checkpoint.
        """
        prompts = checked_prompts(points, boxes, embedding.shape)
        self._check_kinds(kind for kind, _ in prompts)
        at_once = self._prompts_at_once(embedding.image)
        results: list[PromptResult] = []
        with torch.inference_mode(), _clear_about_memory():
            for start in range(0, len(prompts), at_once):
                some = prompts[start : start + at_once]
                anchors = to_anchor_boxes(some, embedding.shape)
                found = self.model.decode(embedding.image, anchors)
                masks = self._candidates(found, embedding.shape)
                results += [
                    PromptResult(kind, where, candidates)
                    for (kind, where), candidates in zip(some, masks, strict=True)
                ]
        return results

    def _check_kinds(self, kinds: Iterator[Kind]) -> None:
        for kind in sorted(set(kinds) - set(self.model.config.prompt_types)):
            raise UserError(f"This checkpoint does not take a {kind} as a prompt; use another one.")

    def _prompts_at_once(self, embedding: ImageEmbedding) -> int:
        """So many that their logits stay below 256 MB."""
        height, width = embedding.geometry.padded_size
        logits = len(self.levels) * height * width // embedding.mask_stride**2
        return max(1, min(_PROMPTS_AT_ONCE, _LOGITS_AT_ONCE // logits))

    def _candidates(
        self, found: Candidates, shape: tuple[int, int]
    ) -> Iterator[tuple[Candidate, ...]]:
        scores = found.predicted_iou.cpu().tolist()
        for logits, predicted_ious in zip(found.mask_logits, scores, strict=True):
            masks = cut_out(logits, found.geometry, found.mask_stride, shape)
            stabilities = stability(logits, found.geometry, found.mask_stride).tolist()
            yield tuple(
                Candidate(
                    box=box,
                    crop=crop,
                    shape=shape,
                    token=token,
                    level=self._level_of_token[token],
                    predicted_iou=predicted_ious[token],
                    stability=stabilities[token],
                )
                for token, (box, crop) in enumerate(masks)
            )


@contextmanager
def _clear_about_memory() -> Iterator[None]:
    """Turn the many ways in which memory runs out into one sentence."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        is_known = any(text in str(error) for text in _OUT_OF_MEMORY)
        if not (is_known or isinstance(error, MemoryError)):
            raise
        raise UserError(
            "There is not enough memory for this picture; choose a smaller part of it, a smaller "
            "scale or the CPU as device."
        ) from error
