"""What a checkpoint says about its network: plain data, stored as JSON beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from napari_semantic_sam.errors import UserError

Kind = Literal["click", "box"]
"""What a prompt can be."""
KINDS: tuple[Kind, ...] = ("click", "box")

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class SwinConfig:
    """A Swin transformer (Liu et al. 2021), written here to match the published weights."""

    embed_dim: int
    depths: tuple[int, int, int, int]
    num_heads: tuple[int, int, int, int]
    window: int
    type: Literal["swin"] = "swin"


@dataclass(frozen=True)
class TimmConfig:
    """Any timm ``features_only`` backbone; the last four stages must have strides 4–32."""

    name: str
    type: Literal["timm"] = "timm"


@dataclass(frozen=True)
class DeformableConfig:
    """The published pixel decoder and mask decoder: multi-scale deformable attention."""

    width: int = 256
    heads: int = 8
    points: int = 4
    feedforward: int = 2048
    encoder_layers: int = 6
    decoder_layers: int = 9
    mask_stride: int = 4
    type: Literal["deformable"] = "deformable"


@dataclass(frozen=True)
class LocalConfig:
    """Ours, small: a feature pyramid and cross-attention to windows around the prompt."""

    width: int = 96
    heads: int = 4
    feedforward: int = 384
    decoder_layers: int = 3
    window: int = 7
    mask_channels: int = 32
    mask_hidden: int = 16
    mask_stride: int = 2
    type: Literal["local"] = "local"


@dataclass(frozen=True)
class ModelConfig:
    """The network of a checkpoint.

    Attributes
    ----------
    backbone : SwinConfig or TimmConfig
    decoder : DeformableConfig or LocalConfig
        The pixel decoder and the mask decoder, which belong together.
    num_tokens : int
        K, learned granularity embeddings per prompt.
    prompt_types : mapping of kind to row
        Row of the type embedding for each kind of prompt. The published inference uses
        row 0 for clicks, 1 for boxes.
    size_divisor : int
        The input is zero-padded right and below to a multiple of this.
    pixel_mean, pixel_std : three floats
        Of RGB values 0..255.
    """

    backbone: SwinConfig | TimmConfig
    decoder: DeformableConfig | LocalConfig
    num_tokens: int = 6
    prompt_types: Mapping[str, int] = field(default_factory=lambda: {"click": 0, "box": 1})
    size_divisor: int = 32
    pixel_mean: tuple[float, float, float] = IMAGENET_MEAN
    pixel_std: tuple[float, float, float] = IMAGENET_STD

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelConfig:
        """Read what `to_dict` wrote.

        Raises
        ------
        UserError
            If a field or type is not one this version knows.
        """
        values = {key: _tuples(value) for key, value in data.items()}
        try:
            values["backbone"] = _BACKBONES[data["backbone"]["type"]](**values["backbone"])
            values["decoder"] = _DECODERS[data["decoder"]["type"]](**values["decoder"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise UserError(
                f"The checkpoint describes a network this version does not know ({error}); "
                "update napari-semantic-sam or choose another checkpoint."
            ) from error


_BACKBONES: dict[str, Any] = {"swin": SwinConfig, "timm": TimmConfig}
_DECODERS: dict[str, Any] = {"deformable": DeformableConfig, "local": LocalConfig}

PRESETS: dict[str, ModelConfig] = {
    "swin-t": ModelConfig(
        SwinConfig(96, (2, 2, 6, 2), (3, 6, 12, 24), window=7), DeformableConfig()
    ),
    "swin-l": ModelConfig(
        SwinConfig(192, (2, 2, 18, 2), (6, 12, 24, 48), window=12), DeformableConfig()
    ),
    "tiny": ModelConfig(
        TimmConfig("tf_efficientnet_lite0"),
        LocalConfig(),
        size_divisor=64,
        pixel_mean=(127.5, 127.5, 127.5),
        pixel_std=(127.5, 127.5, 127.5),
    ),
}
"""The architectures with a name. The first two are the published ones."""

PUBLISHED_LEVEL_ORDER = (3, 2, 0, 4, 1, 5)
"""Token of level 1, 2, … 6 in the published weights (reference code, automatic masks)."""


def _tuples(value: Any) -> Any:
    """Turn JSON's lists back into tuples, so that configs compare equal."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return value
