"""What runs beside the user interface: load a model, embed a picture, answer prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.combination import Combined, combine
from napari_semantic_sam.inference.image.source import ImageSource
from napari_semantic_sam.inference.label_parts import PlaneIndex
from napari_semantic_sam.inference.prompt import Prompt
from napari_semantic_sam.inference.results import CroppedMask
from napari_semantic_sam.inference.tiles.scale import ObjectSize, choose_scale, seen_at
from napari_semantic_sam.model.config import Kind

if TYPE_CHECKING:
    from napari_semantic_sam.inference.predictor import Predictor
    from napari_semantic_sam.inference.tiles.plane_embedding import PlaneEmbedding

Report = Callable[[str, float | None], None]
"""Called with what is being done, and the share that is done (None if unknown)."""


@dataclass(frozen=True)
class Request:
    """A picture to open.

    Attributes
    ----------
    source : ImageSource
        May be lazy, and a stack.
    checkpoint, device : str
        For `load_model`.
    plane : tuple of int
        Of a stack, the plane to begin with.
    object_size : ObjectSize, optional
        Of typical objects, see `choose_scale`.
    """

    source: ImageSource
    checkpoint: str
    device: str
    plane: PlaneIndex = ()
    object_size: ObjectSize | None = None

    @property
    def name(self) -> str:
        """What the user calls the picture."""
        return self.source.name


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
    """A plane of a picture, ready for prompts.

    Attributes
    ----------
    model : LoadedModel
    embedding : PlaneEmbedding
        Embedded where prompts need it, on whatever thread asks.
    source : ImageSource
        The picture.
    plane : tuple of int
        Which of its planes.
    scale : float, optional
        At which the planes are embedded; None for the network's own rule.
    because : str
        One sentence for the user about the scale.
    """

    model: LoadedModel
    embedding: PlaneEmbedding
    source: ImageSource
    plane: PlaneIndex = ()
    scale: float | None = None
    because: str = ""

    def at(self, plane: PlaneIndex) -> OpenPicture:
        """Return another plane of the picture, of which nothing is read yet."""
        embedding = self.model.predictor.embed_plane(self.source.plane(plane), scale=self.scale)
        return replace(self, embedding=embedding, plane=plane)

    def at_scale(self, scale: float | None) -> OpenPicture:
        """Return the same plane as an earlier annotation saw it; nothing is read yet."""
        if scale == self.scale:
            return self
        predictor = self.model.predictor
        embedding = predictor.embed_plane(self.source.plane(self.plane), scale=scale)
        seen = choose_scale(self.source.shape, predictor.model.config, scale=scale)
        because = f"The annotation was made so before: {seen_at(seen.scale)}."
        return replace(self, embedding=embedding, scale=scale, because=because)


def open_picture(
    request: Request,
    report: Report,
    cancelled: Callable[[], bool],
    loaded: LoadedModel | None = None,
) -> OpenPicture | None:
    """Load the model, unless it is loaded already, and embed a plane of the picture.

    Of a plane that is larger than what the network takes at once, only the contrast is chosen;
    it is embedded where prompts are.

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
    choice = choose_scale(
        request.source.shape,
        loaded.predictor.model.config,
        object_size=request.object_size,
        pixel_size=request.source.pixel_size,
    )
    scale = None if request.object_size is None else choice.scale
    embedding = loaded.predictor.embed_plane(request.source.plane(request.plane), scale=scale)
    try:
        if embedding.is_one_tile:
            embedding.embed(embedding.tile_for(("click", (0.0, 0.0))))
        else:
            _ = embedding.preparation_hash  # so that a picture that cannot be read is told now
    except UserError as error:
        if str(error).startswith(request.name):
            raise
        raise UserError(f"{request.name}: {error}") from error
    return OpenPicture(loaded, embedding, request.source, request.plane, scale, choice.because)


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
