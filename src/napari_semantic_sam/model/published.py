"""The published checkpoints' key names, and strict conversion to ours.

The released loader drops whatever does not fit without a word; here every tensor must be
there once, in shape, and equal wherever the file stores it several times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from napari_semantic_sam.errors import UserError
from napari_semantic_sam.model.config import PRESETS, DeformableConfig, ModelConfig, SwinConfig
from napari_semantic_sam.model.misfits import refuse_misfits
from napari_semantic_sam.model.semantic_sam import SemanticSAM
from napari_semantic_sam.model.swin import relative_position_index

_ROOT = "model."
_PIXEL_DECODER = "model.sem_seg_head.pixel_decoder."
_PREDICTOR = "model.sem_seg_head.predictor."
_DECODER = f"{_PREDICTOR}decoder."

_SUBJECT = "the published checkpoint"

_UNUSED = re.compile(
    rf"model\.criterion\..+|{re.escape(_PREDICTOR)}(lang_mapper|class_embed(_part)?)"
)
"""In the files but without a part in the network; may be absent."""

_RENAMES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^image_encoder\.backbone\.output_norms\.(\d)", rf"{_ROOT}backbone.norm\1"),
        (r"^image_encoder\.backbone\.", f"{_ROOT}backbone."),
        (r"^image_encoder\.layers\.", f"{_PIXEL_DECODER}transformer.encoder.layers."),
        (r"^image_encoder\.level_embedding\.weight", f"{_PIXEL_DECODER}transformer.level_embed"),
        (r"^image_encoder\.input_projections\.", f"{_PIXEL_DECODER}input_proj."),
        (r"^image_encoder\.lateral\.0\.", f"{_PIXEL_DECODER}adapter_1."),
        (r"^image_encoder\.lateral\.1\.", f"{_PIXEL_DECODER}adapter_1.norm."),
        (r"^image_encoder\.smooth\.0\.", f"{_PIXEL_DECODER}layer_1."),
        (r"^image_encoder\.smooth\.1\.", f"{_PIXEL_DECODER}layer_1.norm."),
        (r"^image_encoder\.mask_features\.", f"{_PIXEL_DECODER}mask_features."),
        (r"^mask_decoder\.(layers|norm)\.", rf"{_DECODER}\1."),
        (r"^mask_decoder\.position_head\.", f"{_DECODER}ref_point_head."),
        (r"^mask_decoder\.box_head\.", f"{_PREDICTOR}_bbox_embed."),
        (r"^mask_decoder\.iou_head\.", f"{_PREDICTOR}iou_prediction_head."),
        (r"^mask_decoder\.mask_head\.", f"{_PREDICTOR}mask_embed."),
        (r"^mask_decoder\.base_embedding\.", f"{_PREDICTOR}label_enc."),
        (r"^mask_decoder\.type_embedding\.", f"{_PREDICTOR}pb_embedding."),
        (r"^mask_decoder\.token_embedding\.", f"{_PREDICTOR}mask_tokens."),
        # Inside the transformer layers, whose prefixes are published ones by now.
        (r"\.(self|cross)_attention\.", r".\1_attn."),
        (r"\.self_attention_norm\.", ".norm2."),
        (r"\.cross_attention_norm\.", ".norm1."),
        (r"(decoder\.layers\.\d+)\.feedforward_norm\.", r"\1.norm3."),
        (r"(encoder\.layers\.\d+)\.feedforward_norm\.", r"\1.norm2."),
        (r"(encoder\.layers\.\d+)\.attention_norm\.", r"\1.norm1."),
        (r"(encoder\.layers\.\d+)\.attention\.", r"\1.self_attn."),
        (r"\.feedforward\.layers\.0\.", ".linear1."),
        (r"\.feedforward\.layers\.1\.", ".linear2."),
    )
)
"""From our names to the published ones, applied one after the other."""

_LABEL_ROWS = 2
"""Of `label_enc`; the network only ever adds row 0, which is all that ours keeps."""


def is_published(tensors: Iterable[str]) -> bool:
    """Whether these are the names of a published checkpoint's tensors."""
    return any(key.startswith((_PIXEL_DECODER, _PREDICTOR)) for key in tensors)


def guess_preset(tensors: Mapping[str, Tensor]) -> str:
    """Return the preset a published checkpoint is for, ``"swin-t"`` or ``"swin-l"``.

    Raises
    ------
    UserError
        If it is for neither.
    """
    key = f"{_ROOT}backbone.patch_embed.proj.weight"
    if key not in tensors:
        raise UserError(
            f"the checkpoint has no tensor '{key}', so it is not a Swin model; "
            "choose one of the published .pth files."
        )
    channels = tensors[key].shape[0]
    for name, config in PRESETS.items():
        if isinstance(config.backbone, SwinConfig) and config.backbone.embed_dim == channels:
            return name
    raise UserError(
        f"the checkpoint's backbone has {channels} channels, which is neither Swin-T nor Swin-L; "
        "choose one of the published .pth files."
    )


def published_names(config: ModelConfig) -> dict[str, tuple[str, ...]]:
    """Map each name in our state dict to the names its tensor has in the published files.

    Parameters
    ----------
    config : ModelConfig
        A Swin backbone with the deformable decoder.

    Returns
    -------
    dict of str to tuple of str
        One name for most; the box head and the decoder's norm are stored several times.
    """
    return {ours: _published_names(ours, config) for ours in _meta_state(config)}


def from_published(tensors: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Convert the tensors of a published checkpoint to our complete state dict.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Names as in the file; as in the published loader, those that do not start with
        ``model.`` are somebody else's and left out.
    config : ModelConfig
        The network the checkpoint is for, such as ``PRESETS["swin-t"]``.

    Raises
    ------
    UserError
        Naming the tensors that are missing, unknown, of the wrong shape, not equal to
        their copies, or not what this network computes.
    """
    state = _meta_state(config)
    names = {ours: _published_names(ours, config) for ours in state}
    indices = _position_indices(state, config)
    shapes = {key: _published_shape(ours, state) for ours, keys in names.items() for key in keys}
    shapes |= {key: tuple(index.shape) for key, index in indices.items()}
    found = {key: tensor for key, tensor in tensors.items() if key.startswith(_ROOT)}
    refuse_misfits(
        _SUBJECT,
        {
            "missing": [key for key in shapes if key not in found],
            "unknown": [key for key in found if key not in shapes and not _UNUSED.fullmatch(key)],
            "of the wrong shape": [
                f"{key} {tuple(found[key].shape)} instead of {shape}"
                for key, shape in shapes.items()
                if key in found and tuple(found[key].shape) != shape
            ],
        },
    )
    refuse_misfits(
        _SUBJECT,
        {
            "that differ from their copies": [
                copy
                for first, *copies in names.values()
                for copy in copies
                if not torch.equal(found[first], found[copy])
            ],
            "that number the positions of a window differently": [
                key for key, index in indices.items() if not torch.equal(found[key].cpu(), index)
            ],
        },
    )
    return {ours: found[keys[0]][: len(state[ours])] for ours, keys in names.items()}


def _meta_state(config: ModelConfig) -> dict[str, Tensor]:
    """Our state dict's names and shapes, without memory for the weights."""
    if not isinstance(config.backbone, SwinConfig):
        raise ValueError("published checkpoints have a Swin backbone")
    with torch.device("meta"):
        return SemanticSAM(config).state_dict()


def _published_names(ours: str, config: ModelConfig) -> tuple[str, ...]:
    name = ours
    for pattern, replacement in _RENAMES:
        name = pattern.sub(replacement, name)
    assert isinstance(config.decoder, DeformableConfig)
    layers = range(config.decoder.decoder_layers)
    if ours.startswith("mask_decoder.box_head."):
        rest = name.removeprefix(f"{_PREDICTOR}_bbox_embed.")
        roots = (_PREDICTOR, _DECODER)
        return (name, *(f"{root}bbox_embed.{n}.{rest}" for root in roots for n in layers))
    if ours.startswith("mask_decoder.norm."):
        return (name, name.replace(f"{_DECODER}norm.", f"{_PREDICTOR}decoder_norm."))
    return (name,)


def _published_shape(ours: str, state: Mapping[str, Tensor]) -> tuple[int, ...]:
    rows, *rest = state[ours].shape
    return (_LABEL_ROWS if ours == "mask_decoder.base_embedding.weight" else rows, *rest)


def _position_indices(state: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Tensors the files store and ours compute, by their published name."""
    assert isinstance(config.backbone, SwinConfig)
    index = relative_position_index(config.backbone.window)
    suffix = "relative_position_bias_table"
    return {
        _published_names(ours, config)[0].replace(suffix, "relative_position_index"): index
        for ours in state
        if ours.endswith(suffix)
    }
