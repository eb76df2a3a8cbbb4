"""Choose what suits automatic segmentation with a checkpoint, and note it in its record.

    python scripts/choose_automatic_level.py MODEL --images FOLDER --masks FOLDER --write

Only images for training may be given, never those that results are reported on. Of them, those
are taken that training holds out, one in twenty by the checksum of their name, and of those a
sample by chance. Large ones are cut down to their middle, so that a run takes minutes on one
core. Each is segmented once with the loosest limits; then every level is scored with several
limits as ``segment --automatic`` would put it into its label image. The best sum of F1 at
IoU 0.5 and 0.75 wins.
"""

from __future__ import annotations

import argparse
import itertools
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_semantic_sam import Predictor
from napari_semantic_sam.evaluation.metrics import add_detections, detect
from napari_semantic_sam.inference.automatic import Thresholds, automatic_masks, label_levels
from napari_semantic_sam.inference.automatic.suited import suited_settings
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.io.images import read_image, read_labels
from napari_semantic_sam.io.pairs import PairedFiles, pair_files
from napari_semantic_sam.model.checkpoint import load_checkpoint, save_checkpoint
from napari_semantic_sam.model.loading import checkpoint_path

HELD_OUT = 20
LARGEST_SIDE = 320
PREDICTED_IOU = (0.4, 0.45, 0.5, 0.55, 0.6, 0.7)
STABILITY = (0.5, 0.6, 0.7, 0.8)
F1_AT = (0.5, 0.75)


@dataclass(frozen=True)
class Scene:
    """One picture with the masks that the loosest limits keep."""

    truth: np.ndarray
    masks: list[Candidate]

    def labels(self, level: int, thresholds: Thresholds, levels: range) -> np.ndarray:
        """Return the label image of a level with stricter limits.

        Duplicates of masks that a stricter stability would drop are missing: the choice
        errs on the side of a low stability, a little.
        """
        chosen = [
            mask
            for mask in self.masks
            if mask.predicted_iou > thresholds.predicted_iou
            and mask.stability >= thresholds.stability
        ]
        return label_levels(chosen, tuple(levels), self.truth.shape, main_level=level).array(level)


@dataclass(frozen=True)
class Choice:
    """How well a level does with some thresholds."""

    level: int
    thresholds: Thresholds
    f1: tuple[float, ...]

    def __str__(self) -> str:
        numbers = ", ".join(f"F1@{at} {f1:.3f}" for at, f1 in zip(F1_AT, self.f1, strict=True))
        limits = self.thresholds
        return (
            f"level {self.level}, predicted IoU > {limits.predicted_iou}, "
            f"stability >= {limits.stability}: {numbers}"
        )


def held_out(images: Path, masks: Path, at_most: int, seed: int) -> list[PairedFiles]:
    """Return a sample of the pairs that training holds out."""
    pairs = pair_files(images, {"": masks}).files
    kept = [pair for pair in pairs if zlib.crc32(pair.stem.encode()) % HELD_OUT == 0]
    order = np.random.default_rng(seed).permutation(len(kept))
    return [kept[index] for index in order[:at_most]]


def middle(array: np.ndarray) -> np.ndarray:
    """Cut a picture, ``(H, W)`` or ``(H, W, C)``, down to its middle."""
    starts = [max(0, (side - LARGEST_SIDE) // 2) for side in array.shape[:2]]
    return array[tuple(slice(start, start + LARGEST_SIDE) for start in starts)]


def look(predictor: Predictor, pair: PairedFiles, spacing: float) -> Scene:
    """Segment a picture with the loosest limits."""
    usual = suited_settings(predictor)
    loose = replace(usual.thresholds, predicted_iou=min(PREDICTED_IOU), stability=min(STABILITY))
    embedding = predictor.embed(middle(read_image(pair.image)))
    settings = replace(usual, thresholds=loose, spacing=spacing)
    return Scene(
        middle(read_labels(pair.masks[""])), automatic_masks(predictor, embedding, settings)
    )


def choices(scenes: list[Scene], levels: range) -> Iterator[Choice]:
    """Score every level with all thresholds."""
    for level, least, stability in itertools.product(levels, PREDICTED_IOU, STABILITY):
        thresholds = replace(Thresholds(), predicted_iou=least, stability=stability)
        found = [
            detect(scene.truth, scene.labels(level, thresholds, levels), F1_AT) for scene in scenes
        ]
        yield Choice(level, thresholds, tuple(each.f1 for each in add_detections(found)))


def main() -> None:
    """Choose, print how all levels do, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="name or file of a safetensors checkpoint")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--at-most", type=int, default=20, help="images")
    parser.add_argument("--seed", type=int, default=0, help="of the sample of images")
    parser.add_argument("--spacing", type=float, default=16.0, help="of the grid, see the guide")
    parser.add_argument("--write", action="store_true", help="change the checkpoint's record")
    options = parser.parse_args()
    path = checkpoint_path(options.model)
    model, metadata = load_checkpoint(path)
    predictor = Predictor(model)
    scenes = []
    for pair in held_out(options.images, options.masks, options.at_most, options.seed):
        start = time.process_time()
        scenes.append(look(predictor, pair, options.spacing))
        spent = time.process_time() - start
        print(f"{pair.stem}: {len(scenes[-1].masks)} masks, {spent:.1f} s of CPU", flush=True)
    ranked = sorted(choices(scenes, predictor.levels), key=lambda each: -sum(each.f1))
    for level in predictor.levels:
        print(next(each for each in ranked if each.level == level))
    best = ranked[0]
    print(f"Best: {best}")
    if options.write:
        record = {
            "level": best.level,
            "predicted_iou": best.thresholds.predicted_iou,
            "stability": best.thresholds.stability,
            "spacing": options.spacing,
        }
        save_checkpoint(path, model, replace(metadata, automatic=record))
        print(f"Written: {path}; its hash has changed, and the model card names it.")


if __name__ == "__main__":
    main()
