"""Largest differences between the network and tensors of the published implementation.

``python benchmarks/measure_parity.py FOLDER --output benchmarks/results/parity.json``; FOLDER is
the full set of reference tensors. The same comparisons are tests; this says by how much they
hold.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from _report import write_report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from published_reference import image_tensor, synthetic_model, synthetic_weights

from napari_semantic_sam.model import Prompts, SemanticSAM

PICTURES = {"astronaut": "astronaut_640x640.png", "chelsea": "chelsea_640x962.png"}
PRESETS = {"T": "swin-t", "L": "swin-l"}


def main() -> None:
    """Compare every case of both architectures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for letter, preset in PRESETS.items():
        model = synthetic_model(preset, synthetic_weights(preset))
        for path in sorted(options.reference.glob(f"{letter}_*.npz")):
            if path.stem.endswith(("_auto", "_step")):
                continue  # whole pipelines, not single answers of the network
            rows.append({"case": path.stem, **differences(model, path)})
    settings = {"threads": torch.get_num_threads(), "type": "float32", "device": "cpu"}
    write_report(options.output, "Agreement with the published implementation", rows, settings)


def differences(model: SemanticSAM, path: Path) -> dict[str, float]:
    """Return the largest absolute difference of masks, scores, boxes and features."""
    stored = dict(np.load(path))
    strides = json.loads(str(stored["strides"]))
    prompts = Prompts(
        torch.from_numpy(stored["prompts"]), ["box" if row else "click" for row in stored["pb"]]
    )
    with torch.inference_mode():
        embedding = model.encode(image_tensor(_picture(stored, path)))
        last = model.decode_layers(embedding, prompts, joint="batch" in path.stem)[-1]
    step = strides["lowres"]
    channels, pixels = strides["mask_features"]
    pairs = {
        "mask logits": (last.masks.dense()[..., ::step, ::step], "pred_masks_lowres"),
        "scores": (last.predicted_iou, "pred_ious"),
        "boxes": (last.boxes, "pred_boxes"),
        "features": (
            embedding.features["mask_features"][:, ::channels, ::pixels, ::pixels],
            "mask_features_sample",
        ),
    }
    return {
        name: float(f"{np.abs(ours.numpy() - stored[key]).max():.1e}")
        for name, (ours, key) in pairs.items()
    }


def _picture(stored: dict[str, np.ndarray], path: Path) -> np.ndarray:
    if "image" in stored:
        return stored["image"]
    name = next(file for word, file in PICTURES.items() if word in path.stem)
    return np.array(Image.open(path.parent / "inputs" / name))


if __name__ == "__main__":
    main()
