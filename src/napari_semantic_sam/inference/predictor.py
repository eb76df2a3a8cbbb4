"""One picture, many clicks: the network behind arrays and pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy.typing as npt
import torch

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.embedding import PictureEmbedding
from napari_semantic_sam.inference.masks import Frame, full_size
from napari_semantic_sam.inference.preparation import prepare
from napari_semantic_sam.inference.prompts import checked_prompts, to_anchor_boxes
from napari_semantic_sam.inference.results import Candidate, PromptResult
from napari_semantic_sam.inference.tiles.cache import EmbeddingCache
from napari_semantic_sam.inference.tiles.plane_embedding import Placed, PlaneEmbedding
from napari_semantic_sam.inference.tiles.prediction import predict_on_tiles
from napari_semantic_sam.model.config import Kind
from napari_semantic_sam.model.predictions import LayerPrediction
from napari_semantic_sam.model.semantic_sam import SemanticSAM

if TYPE_CHECKING:
    from napari_semantic_sam.inference.image import Plane

__all__ = ["PictureEmbedding", "PlaneEmbedding", "Predictor"]

_PROMPTS_AT_ONCE = 64
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


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
        self._cache = EmbeddingCache()
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
        with torch.inference_mode(), clear_about_memory():
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

    def embed_plane(
        self, plane: Plane, *, scale: float | None = None, cache: EmbeddingCache | None = None
    ) -> PlaneEmbedding:
        """Get a plane of any size ready for prompts; it is embedded where they need it.

        A plane that fits the network's input gives what `embed` gives of it.

        Parameters
        ----------
        plane : Plane
        scale : float, optional
            See `embed`. Planes beyond the network's input are not shrunk by default.
        cache : EmbeddingCache, optional
            Where tiles are kept; one of 1 GB for all planes of this predictor if left out.

        Raises
        ------
        UserError
            If the scale is not such a number.
        """
        cache = self._cache if cache is None else cache
        return PlaneEmbedding(plane, self.model, cache, scale=scale)

    def predict(
        self,
        embedding: PictureEmbedding | PlaneEmbedding,
        points: npt.ArrayLike = (),
        boxes: npt.ArrayLike = (),
        *,
        draft: bool = False,
    ) -> list[PromptResult]:
        """Segment what lies under clicks and in boxes; each is answered on its own.

        Parameters
        ----------
        embedding : PictureEmbedding or PlaneEmbedding
            From `embed` or `embed_plane` with the same model.
        points : sequence of (y, x)
            In pixels of the picture; whole numbers are centres of pixels.
        boxes : sequence of (y0, x0, y1, x1)
            Edges of pixels: ``(0, 0, H, W)`` is the whole picture. What reaches beyond the
            picture is cut off.
        draft : bool
            Draw large masks quickly, with rougher outlines, where the model can.

        Returns
        -------
        list of PromptResult
            One for each click, then one for each box.

        Raises
        ------
        UserError
            If a click lies outside the picture, a box has no area in it, a coordinate is
            not finite, the checkpoint does not take such prompts, memory runs out, or a
            part of a plane that is needed cannot be read.
        EmbeddingMismatchError
            If the embedding was made by another checkpoint.
        """
        prompts = checked_prompts(points, boxes, embedding.shape)
        self._check_kinds(kind for kind, _ in prompts)
        with torch.inference_mode(), clear_about_memory():
            if isinstance(embedding, PlaneEmbedding):
                return predict_on_tiles(partial(self._answer, draft=draft), embedding, prompts)
            every = [range(len(self.levels))] * len(prompts)
            return self._answer(embedding, prompts, every, draft=draft)

    def _answer(
        self,
        embedding: PictureEmbedding,
        prompts: Sequence[Placed],
        tokens: Sequence[Sequence[int]],
        *,
        draft: bool,
    ) -> list[PromptResult]:
        """Answer prompts, each with the candidates of some tokens."""
        image = embedding.image
        frame = Frame(image.geometry, image.mask_stride, embedding.shape)
        results: list[PromptResult] = []
        for start in range(0, len(prompts), _PROMPTS_AT_ONCE):
            some = prompts[start : start + _PROMPTS_AT_ONCE]
            anchors = to_anchor_boxes(some, embedding.shape)
            found = self.model.decode_last(image, anchors)
            wanted = tokens[start : start + _PROMPTS_AT_ONCE]
            masks = self._candidates(found, frame, wanted, draft)
            results += [
                PromptResult(kind, where, candidates)
                for (kind, where), candidates in zip(some, masks, strict=True)
            ]
        return results

    def _check_kinds(self, kinds: Iterator[Kind]) -> None:
        for kind in sorted(set(kinds) - set(self.model.config.prompt_types)):
            raise UserError(f"This checkpoint does not take a {kind} as a prompt; use another one.")

    def _candidates(
        self,
        found: LayerPrediction,
        frame: Frame,
        wanted: Sequence[Sequence[int]],
        draft: bool,
    ) -> Iterator[tuple[Candidate, ...]]:
        masks = found.masks
        if any(len(tokens) < len(self.levels) for tokens in wanted):
            places = [(prompt, token) for prompt, tokens in enumerate(wanted) for token in tokens]
            masks = masks.pick(*torch.tensor(places, device=self.model.device).T)
        pieces = masks.sketches() if draft else masks.pieces()
        for tokens, predicted_ious in zip(wanted, found.predicted_iou.cpu().tolist(), strict=True):
            yield tuple(
                full_size(
                    piece,
                    frame,
                    token=token,
                    level=self._level_of_token[token],
                    predicted_iou=predicted_ious[token],
                )
                for token, piece in zip(tokens, islice(pieces, len(tokens)), strict=True)
            )


@contextmanager
def clear_about_memory() -> Iterator[None]:
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
