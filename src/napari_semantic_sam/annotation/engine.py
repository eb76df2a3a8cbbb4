"""What runs beside the user interface: load a model, embed a picture, answer prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.combination import Combined, combine
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import CroppedMask
from napari_semantic_sam.model.config import Kind

if TYPE_CHECKING:
    from napari_semantic_sam.inference.predictor import PictureEmbedding, Predictor

Report = Callable[[str, float | None], None]
"""Called with what is being done, and the share that is done (None if unknown)."""


@dataclass(frozen=True)
class Request:
    """A picture to open.

    Attributes
    ----------
    name : str
        What the user calls the picture.
    picture : array
        ``(H, W)`` or ``(H, W, 3 or 4)``; may be lazy.
    checkpoint, device : str
        For `load_model`.
    contrast_limits : (low, high), optional
        Values shown as black and white; the model's own choice when left out.
    """

    name: str
    picture: Any
    checkpoint: str
    device: str
    contrast_limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, and what was asked for to get it."""

    checkpoint: str
    device: str
    predictor: Predictor

    @property
    def place(self) -> str:
        """Where it is, such as ``"cpu"`` or ``"cuda:0"``."""
        return str(self.predictor.model.device)

    @property
    def level_order(self) -> tuple[int, ...]:
        """Tokens of level 1 (coarsest), 2 and so on."""
        return tuple(self.predictor.model.level_order)

    @property
    def prompt_kinds(self) -> tuple[Kind, ...]:
        """The prompts it takes."""
        kinds: tuple[Kind, ...] = ("click", "box")
        return tuple(kind for kind in kinds if kind in self.predictor.model.config.prompt_types)


@dataclass(frozen=True)
class OpenPicture:
    """An embedded picture, ready for prompts."""

    model: LoadedModel
    embedding: PictureEmbedding


def open_picture(
    request: Request,
    report: Report,
    cancelled: Callable[[], bool],
    loaded: LoadedModel | None = None,
) -> OpenPicture | None:
    """Load the model, unless it is loaded already, and embed the picture.

    Parameters
    ----------
    request : Request
    report : callable
        See `Report`.
    cancelled : callable
        Asked between the steps, and while a checkpoint is downloaded.
    loaded : LoadedModel, optional
        The one in use so far.

    Returns
    -------
    OpenPicture, or None if it was cancelled

    Raises
    ------
    UserError
        If the checkpoint, the device or the picture cannot be used.
    """
    wanted = (request.checkpoint, request.device)
    if loaded is None or (loaded.checkpoint, loaded.device) != wanted:
        report(f"Loading {request.checkpoint} …", None)
        loaded = LoadedModel(*wanted, _load(request, report, cancelled))
    if cancelled():
        return None
    report(f"Embedding {request.name} …", None)
    try:
        embedding = loaded.predictor.embed(
            np.asarray(request.picture), contrast_limits=request.contrast_limits
        )
    except UserError as error:
        raise UserError(f"{request.name}: {error}") from error
    return OpenPicture(loaded, embedding)


def find_candidates(
    opened: OpenPicture, prompts: Sequence[Prompt], labels: Mapping[Prompt, CroppedMask]
) -> Combined:
    """Return what the prompts of one object give together.

    Parameters
    ----------
    opened : OpenPicture
    prompts : sequence of Prompt
    labels : mapping of Prompt to CroppedMask
        The mask of each prompt of kind "label".

    Raises
    ------
    UserError
        If the checkpoint does not take such prompts, or memory runs out.
    """
    return combine(opened.model.predictor, opened.embedding, prompts, labels)


def _load(request: Request, report: Report, cancelled: Callable[[], bool]) -> Predictor:
    # Late, because torch takes seconds to import; this runs on a worker thread.
    from napari_semantic_sam import Predictor, load_model

    def downloading(done: int, total: int | None) -> None:
        text = f"Downloading {request.checkpoint}: {done / 1e6:.0f} MB"
        report(text, done / total if total else None)

    model = load_model(
        request.checkpoint, request.device, progress=downloading, cancelled=cancelled
    )
    return Predictor(model)
