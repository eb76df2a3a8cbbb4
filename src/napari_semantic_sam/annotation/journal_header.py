"""The first line of a journal: which picture, which model, which versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import datetime
from typing import Any

import napari_semantic_sam
from napari_semantic_sam.annotation.engine import OpenPicture, Request
from napari_semantic_sam.annotation.picture_hash import picture_hash
from napari_semantic_sam.errors import UserError
from napari_semantic_sam.inference.label_parts import PlaneIndex

FORMAT_VERSION = 3


@dataclass(frozen=True)
class Header:
    """What the steps of a journal were made with.

    Attributes
    ----------
    image : str
        What the user calls the picture.
    image_hash : str
        Of its pixels; see `picture_hash`, and `Recogniser` for earlier versions.
    shape : (H, W)
        Of the picture, or of each plane of a stack.
    checkpoint, checkpoint_hash : str
        The model as it was chosen, and the fingerprint of its weights.
    level_order : tuple of ints
        Tokens of level 1 (coarsest), 2 and so on.
    preparation_hash : str
        How the picture was prepared for the network.
    contrast_limits : (low, high) or None
        Values shown to the network as black and white; None for its own choice.
    device, package, torch : str
        Where the model ran, and the versions of this package and of PyTorch.
    started : str
        Date and time, ISO 8601.
    stack : tuple of int
        Lengths of the axes that a stack has besides these.
    axes : str
        Of the picture, see `inference.image.ImageSource`; "" if it is not known, of a single plane.
    channels : tuple of int, or None
        The chosen ones.
    plane : tuple of int
        Which one was prepared.
    scale : float or None
        Pixels the network sees per pixel of the picture; None for its own rule.
    journal : int
        Version of the format.
    """

    image: str
    image_hash: str
    shape: tuple[int, int]
    checkpoint: str
    checkpoint_hash: str
    level_order: tuple[int, ...]
    preparation_hash: str
    contrast_limits: tuple[float, float] | None
    device: str
    package: str
    torch: str
    started: str
    stack: tuple[int, ...] = ()
    axes: str = ""
    channels: tuple[int, ...] | None = None
    plane: PlaneIndex = ()
    scale: float | None = None
    journal: int = FORMAT_VERSION

    def to_plain(self) -> dict[str, Any]:
        """Return the fields for JSON, the version of the format first."""
        return {"journal": self.journal} | asdict(self)

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Header:
        """Read what `to_plain` gave.

        Raises
        ------
        UserError
            If it comes from a later version of this package.
        KeyError, TypeError
            If it is no header.
        """
        if data["journal"] > FORMAT_VERSION:
            raise UserError(
                "The journal was written by a later version of napari-semantic-sam; update "
                "napari-semantic-sam."
            )
        wanted = {  # what older headers lack has a default
            field.name for field in fields(cls) if field.name in data or field.default is MISSING
        }
        return cls(**{name: _tuple(data[name]) for name in wanted})


def describe(request: Request, opened: OpenPicture) -> Header:
    """Return the header of a session; reads pixels, so call it beside the user interface.

    Parameters
    ----------
    request : Request
        Which picture was asked for.
    opened : OpenPicture
        What it gave.
    """
    import torch  # late; whoever has an open picture has loaded it

    model, embedding = opened.model, opened.embedding
    return Header(
        image=request.name,
        image_hash=picture_hash(request.source),
        shape=embedding.shape,
        stack=request.source.plane_counts,
        axes=request.source.axes,
        channels=request.source.channels,
        plane=opened.plane,
        scale=opened.scale,
        checkpoint=model.checkpoint,
        checkpoint_hash=model.predictor.model.checkpoint_hash,
        level_order=model.level_order,
        preparation_hash=embedding.preparation_hash,
        contrast_limits=request.source.contrast_limits,
        device=model.place,
        package=napari_semantic_sam.__version__,
        torch=str(torch.__version__),
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
    )


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
