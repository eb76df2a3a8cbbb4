"""From a backbone config to a module with maps at strides 4, 8, 16 and 32."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.config import SwinConfig, TimmConfig

STRIDES = (4, 8, 16, 32)
STEM_STRIDE = 2


class Backbone(Protocol):
    """What the pixel decoders ask of a backbone."""

    channels: tuple[int, ...]
    """Channels of each map, finest map first."""

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Turn a normalised (B, 3, H, W) batch into maps ``(B, C, H/stride, W/stride)``."""
        ...


class TimmBackbone(nn.Module):
    """A timm ``features_only`` model, with random weights.

    Parameters
    ----------
    name : str
        timm's name of the model.
    with_stem : bool
        Return the stride 2 map too, before the four others.

    Attributes
    ----------
    channels : tuple of ints
        Channels of each returned map, finest map first.

    Raises
    ------
    UserError
        If timm does not know the model, or it has no maps at the strides asked for.
    """

    def __init__(self, name: str, *, with_stem: bool = False) -> None:
        super().__init__()
        wanted = (STEM_STRIDE, *STRIDES) if with_stem else STRIDES
        self.features = _timm_features(name)
        info = self.features.feature_info
        self._num_maps = len(wanted)
        strides = tuple(info.reduction()[-self._num_maps :])
        if strides != wanted:
            raise UserError(
                f"The timm backbone '{name}' has maps at strides {tuple(info.reduction())}, but "
                f"{wanted} are needed; choose another backbone."
            )
        self.channels: tuple[int, ...] = tuple(info.channels()[-self._num_maps :])
        self._channels_last = getattr(self.features, "output_fmt", "NCHW") == "NHWC"

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps of a normalised (B, 3, H, W) batch, finest first."""
        maps = self.features(images)[-self._num_maps :]
        return [m.permute(0, 3, 1, 2) for m in maps] if self._channels_last else list(maps)


def build_backbone(config: SwinConfig | TimmConfig) -> Backbone:
    """Return the backbone of `config`: an `nn.Module` with four maps, strides 4 to 32."""
    if isinstance(config, TimmConfig):
        return TimmBackbone(config.name)
    from napari_semantic_sam.model.swin import SwinTransformer

    return SwinTransformer(config)


def _timm_features(name: str) -> Any:  # timm has no types
    import timm  # late: it takes seconds, and a Swin model does without

    try:
        return timm.create_model(name, features_only=True, pretrained=False)
    except (RuntimeError, AttributeError, ValueError) as error:
        raise UserError(
            f"timm has no backbone '{name}' that returns feature maps ({error}); "
            "choose a name from timm.list_models()."
        ) from error
