"""What finer masks are worth on small objects: one set of weights, masks at several strides.

``python benchmarks/measure_mask_stride.py IMAGES MASKS --output FILE.json``.
One click at the centre of each object, best of the K masks (Oracle), compared at full size within
three times the object's box. Masks of the small network are functions of position, so the same
query can be asked on grids of stride 1, 2 (what the product does), 4 and 8 pixels.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from _report import write_report
from napari_semantic_sam import Predictor, load_model
from napari_semantic_sam.evaluation.objects import TrueObject, find_objects
from napari_semantic_sam.inference.pieces import centre_pixel
from napari_semantic_sam.inference.preparation import input_scale
from napari_semantic_sam.inference.prompts import to_anchor_boxes
from napari_semantic_sam.io.images import read_image, read_labels
from napari_semantic_sam.io.pairs import pair_files
from napari_semantic_sam.model.predictions import MaskSource

STRIDES = (1, 2, 4, 8)
_TOKENS = 6
BINS = ((0, 100), (100, 200), (200, 400), (400, 10**9))
"""Areas of objects, px²: from, to."""


def main() -> None:
    """Measure every object once at every stride."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("masks", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--max-objects", type=int, default=12, help="per image, at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    predictor = Predictor(load_model(options.model))
    measured = np.array(list(each_object(predictor, options)))
    rows = []
    for low, high in BINS:
        chosen = measured[(measured[:, 0] >= low) & (measured[:, 0] < high)]
        row: dict[str, Any] = {"area (px²)": f"{low}–{high}" if high < 10**9 else f"{low}–"}
        row["n"] = len(chosen)
        means = chosen[:, 1:].mean(axis=0).round(3).tolist()
        rows.append(row | {f"stride {s}": mean for s, mean in zip(STRIDES, means, strict=True)})
    settings = {
        "model": options.model,
        "checkpoint": predictor.model.checkpoint_hash,
        "images": options.images.parent.name,
        "objects per image": options.max_objects,
        "seed": options.seed,
    }
    write_report(options.output, "Oracle IoU by the stride of the masks", rows, settings)


def each_object(predictor: Predictor, options: argparse.Namespace) -> Iterator[list[float]]:
    """Yield the area of an object and its Oracle IoU at every stride."""
    for files in pair_files(options.images, {"": options.masks}).files:
        image, labels = read_image(files.image), read_labels(files.masks[""])
        if input_scale(labels.shape, predictor.model.config) != 1:
            continue  # a stride would be another number of pixels
        rng = np.random.default_rng([options.seed, zlib.crc32(files.stem.encode())])
        objects = find_objects(labels)
        chosen = rng.permutation(len(objects))[: options.max_objects]
        yield from _image(predictor, image, [objects[index] for index in chosen])


@torch.inference_mode()
def _image(
    predictor: Predictor, image: npt.NDArray[Any], objects: list[TrueObject]
) -> Iterator[list[float]]:
    if not objects:
        return
    embedding = predictor.embed(image)
    clicks = [("click", tuple(map(float, centre_pixel(target)))) for target in objects]
    prompts = to_anchor_boxes(clicks, embedding.shape)  # type: ignore[arg-type]
    masks = predictor.model.decode_last(embedding.image, prompts).masks
    extent = embedding.image.geometry.padded_size
    for index, target in enumerate(objects):
        tokens = torch.arange(predictor.model.config.num_tokens)
        mine = masks.pick(torch.full_like(tokens, index), tokens)
        yield [float(target.area), *(_oracle(mine, target, extent, s) for s in STRIDES)]


def _oracle(masks: MaskSource, target: TrueObject, extent: tuple[int, int], stride: int) -> float:
    y0, x0, y1, x1 = target.box
    side = 8 * (max(24, 3 * max(y1 - y0, x1 - x0)) // 8 + 1)
    top, left = (8 * ((start + end - side) // 16) for start, end in ((y0, y1), (x0, x1)))
    logits = _on_grid(masks, (top, left), side, extent, stride)
    pixels = F.interpolate(logits[None], scale_factor=stride, mode="bilinear")[0] > 0
    truth = np.zeros((side, side), dtype=bool)
    truth[y0 - top : y1 - top, x0 - left : x1 - left] = target.crop
    found = pixels.numpy()
    common = (found & truth).sum(axis=(1, 2))
    return float((common / (found | truth).sum(axis=(1, 2))).max())


def _on_grid(
    masks: MaskSource, origin: tuple[int, int], side: int, extent: tuple[int, int], stride: int
) -> Tensor:
    """Logits of the K masks of a click at the centres of cells of `stride` pixels."""
    cells = torch.arange(side // stride) * stride + stride / 2
    y, x = torch.meshgrid(origin[0] + cells, origin[1] + cells, indexing="ij")
    points = torch.stack([x / extent[1], y / extent[0]], dim=-1).view(1, -1, 2)
    # Nothing beyond the border of the picture belongs to a mask.
    inside = ((points > 0) & (points < 1)).all(dim=-1).view(1, *y.shape)
    logits = masks.sample_all(points.expand(_TOKENS, -1, -1))[:, 0].view(-1, *y.shape)
    return torch.where(inside, logits, -20.0)


if __name__ == "__main__":
    main()
