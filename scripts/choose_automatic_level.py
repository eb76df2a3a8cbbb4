"""Choose what suits automatic segmentation with a checkpoint, and note it in its record.

    python scripts/choose_automatic_level.py MODEL --images FOLDER --masks FOLDER --write

Only images for training may be given, never those that results are reported on. Of them, those
are taken that training holds out, one in twenty by the checksum of their name, and of those a
sample by chance. Large ones are cut down to their middle, so that a run takes minutes on one
core. Each is segmented once with the loosest limits, those with small objects at twice the scale;
then every level is tried as the level of
the objects, with several limits, and scored as ``segment --automatic`` would put it into its
label image. The best sum of F1 at IoU 0.5 and 0.75 wins; of sums that are about as good, that
with the strictest limits, with which a run is quicker.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_semantic_sam import Predictor
from napari_semantic_sam.evaluation.metrics import add_detections, detect
from napari_semantic_sam.inference.automatic import Guide, Thresholds, label_levels
from napari_semantic_sam.inference.automatic.mask_store import MaskStore
from napari_semantic_sam.inference.automatic.objects import MainLevel, settle_levels
from napari_semantic_sam.inference.automatic.suited import suited_settings
from napari_semantic_sam.inference.automatic.tiled import Watch, find_masks
from napari_semantic_sam.inference.image import Plane
from napari_semantic_sam.inference.results import Candidate
from napari_semantic_sam.io.images import read_image, read_labels
from napari_semantic_sam.io.pairs import PairedFiles, pair_files
from napari_semantic_sam.model.checkpoint import load_checkpoint, save_checkpoint
from napari_semantic_sam.model.loading import checkpoint_path
from napari_semantic_sam.training.sources import held_back

HELD_OUT = 20
LARGEST_SIDE = 320
PREDICTED_IOU = (0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
STABILITY = (0.6, 0.7)
LEVEL_STEP = (0.0, 0.1)
F1_AT = (0.5, 0.75)
ALIKE = 0.005
"""Sums of F1 that differ by less say nothing on a few dozen pictures."""


@dataclass(frozen=True)
class Scene:
    """One picture with the masks that the loosest limits keep."""

    truth: np.ndarray
    masks: list[Candidate]

    def labels(self, main: MainLevel, thresholds: Thresholds, levels: range) -> np.ndarray:
        """Return the label image of a level of objects with stricter limits.

        Duplicates of masks that a stricter stability would drop are missing: the choice
        errs on the side of a low stability, a little.
        """
        chosen = [
            mask
            for mask in self.masks
            if mask.predicted_iou > thresholds.predicted_iou
            and mask.stability >= thresholds.stability
        ]
        settled = settle_levels(chosen, tuple(levels), main)
        objects = [mask for mask in settled if mask.level == main.level]
        return label_levels(objects, (main.level,), self.truth.shape).array(main.level)


@dataclass(frozen=True)
class Choice:
    """How well a level does with some thresholds."""

    main: MainLevel
    thresholds: Thresholds
    f1: tuple[float, ...]

    @property
    def limits(self) -> tuple[float, float]:
        """Of predicted IoU and stability."""
        return self.thresholds.predicted_iou, self.thresholds.stability

    def __str__(self) -> str:
        numbers = ", ".join(f"F1@{at} {f1:.3f}" for at, f1 in zip(F1_AT, self.f1, strict=True))
        predicted_iou, stability = self.limits
        return (
            f"level {self.main.level}, step {self.main.step}, "
            f"predicted IoU > {predicted_iou}, stability >= {stability}: {numbers}"
        )


def held_out(images: Path, masks: Path, at_most: int, seed: int) -> list[PairedFiles]:
    """Return a sample of the pairs that training holds out."""
    pairs = pair_files(images, {"": masks}).files
    kept = held_back(pairs, HELD_OUT)
    if not kept:
        raise SystemExit(f"{images} holds too few images for any to be kept back from training.")
    order = np.random.default_rng(seed).permutation(len(kept))
    return [kept[index] for index in order[:at_most]]


def middle(array: np.ndarray) -> np.ndarray:
    """Cut a picture, ``(H, W)`` or ``(H, W, C)``, down to its middle."""
    starts = [max(0, (side - LARGEST_SIDE) // 2) for side in array.shape[:2]]
    return array[tuple(slice(start, start + LARGEST_SIDE) for start in starts)]


def look(predictor: Predictor, pair: PairedFiles, spacing: float, closer_below: float) -> Scene:
    """Segment a picture with the loosest limits."""
    usual = suited_settings(predictor)
    loose = replace(usual.thresholds, predicted_iou=min(PREDICTED_IOU), stability=min(STABILITY))
    settings = replace(usual, thresholds=loose, spacing=spacing, closer_below=closer_below)
    embedding = predictor.embed_plane(Plane.of(middle(read_image(pair.image))))
    with MaskStore() as store:
        found = find_masks(predictor, embedding, settings, store, Guide(), Watch())
        masks = [mask.candidate(embedding.shape) for mask in found]
    return Scene(middle(read_labels(pair.masks[""])), masks)


def choices(scenes: list[Scene], levels: range) -> Iterator[Choice]:
    """Score every level with all steps and thresholds."""
    pairs = itertools.product(levels, LEVEL_STEP, PREDICTED_IOU, STABILITY)
    for level, step, least, stability in pairs:
        main = MainLevel(level, step)
        thresholds = replace(Thresholds(), predicted_iou=least, stability=stability)
        found = [
            detect(scene.truth, scene.labels(main, thresholds, levels), F1_AT) for scene in scenes
        ]
        yield Choice(main, thresholds, tuple(each.f1 for each in add_detections(found)))


def strictest_of_the_best(ranked: list[Choice]) -> Choice:
    """Return the choice with the strictest limits of those about as good as the first."""
    least = sum(ranked[0].f1) - ALIKE
    alike = [each for each in ranked if sum(each.f1) >= least]
    return max(alike, key=lambda each: (*each.limits, sum(each.f1)))


def main() -> None:
    """Choose, print how all levels do, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="name or file of a safetensors checkpoint")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--at-most", type=int, default=40, help="images")
    parser.add_argument("--seed", type=int, default=0, help="of the sample of images")
    parser.add_argument("--spacing", type=float, default=16.0, help="of the grid, see the guide")
    parser.add_argument(
        "--closer-below", type=float, default=18.0, help="pixels across, see the guide; 0 is never"
    )
    parser.add_argument("--write", action="store_true", help="change the checkpoint's record")
    options = parser.parse_args()
    path = checkpoint_path(options.model)
    model, metadata = load_checkpoint(path)
    predictor = Predictor(model)
    # Until it is chosen, some level has to say how large objects are.
    model.automatic.setdefault("level", predictor.levels[len(predictor.levels) // 2])
    scenes = []
    for pair in held_out(options.images, options.masks, options.at_most, options.seed):
        start = time.process_time()
        scenes.append(look(predictor, pair, options.spacing, options.closer_below))
        spent = time.process_time() - start
        print(f"{pair.stem}: {len(scenes[-1].masks)} masks, {spent:.1f} s of CPU", flush=True)
    ranked = sorted(choices(scenes, predictor.levels), key=lambda each: -sum(each.f1))
    for level in predictor.levels:
        print(next(each for each in ranked if each.main.level == level))
    best = strictest_of_the_best(ranked)
    print(f"Best: {ranked[0]}")
    print(f"Chosen: {best}")
    if options.write:
        record = {
            "level": best.main.level,
            "level_step": best.main.step,
            "predicted_iou": best.thresholds.predicted_iou,
            "stability": best.thresholds.stability,
            "spacing": options.spacing,
            "closer_below": options.closer_below,
        }
        save_checkpoint(path, model, replace(metadata, automatic=record))
        print(f"Written: {path}; its hash has changed, and the model card names it.")


if __name__ == "__main__":
    main()
