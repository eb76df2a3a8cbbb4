"""Whether tiles and pixel sizes change masks: tiled against untiled, up-sampled against plain.

    python benchmarks/measure_tiles.py tiled DEV --output benchmarks/results/tiled_clicks.json
    python benchmarks/measure_tiles.py sized DEV --output benchmarks/results/pixel_sizes.json

DEV holds folders of annotated pictures, each with `images` and `masks`.

Tiled: clicks at random places. The mask with the highest predicted IoU on the whole picture,
embedded at once and pixel for pixel, is compared with the mask of the same token on tiles. Masks
larger than half a tile are left out and counted; other places are drawn for them.

Sized: clicks at the centres of objects. The picture is made two and four times larger, its
pixels two and four times smaller, and the object size is what suits the plain picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from _report import write_report
from napari_semantic_sam import Candidate, Predictor, load_model
from napari_semantic_sam.evaluation.objects import choose, find_objects
from napari_semantic_sam.inference.image import Plane
from napari_semantic_sam.inference.pieces import centre_pixel
from napari_semantic_sam.inference.preparation import resize
from napari_semantic_sam.inference.results import CroppedMask, PromptResult
from napari_semantic_sam.inference.tiles import (
    EmbeddingCache,
    PlaneEmbedding,
    choose_scale,
    suited_size,
)
from napari_semantic_sam.io.images import read_image, read_labels
from napari_semantic_sam.io.pairs import pair_files

PIXEL_SIZE = 0.5
"""Of the plain pictures, in micrometres; only its ratio to the others counts."""
TIMES = (2, 4)


@dataclass
class Case:
    """What was measured in one way on one set of pictures.

    Attributes
    ----------
    same_token, best : list of float
        IoU with the mask of the same token, and with the one that is shown first.
    left_out : int
    """

    what: str
    pictures: str
    same_token: list[float] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    left_out: int = 0

    def add(self, expected: Candidate, result: PromptResult, times: int = 1) -> None:
        """Compare the answer to a click on a picture that is `times` larger."""
        plain = enlarged(expected, times)
        self.same_token.append(plain.iou(result.candidates[expected.token]))
        self.best.append(plain.iou(result.best))

    def row(self) -> dict[str, object]:
        """Return the table's row."""
        found = np.array(self.same_token)
        return {
            "what": self.what,
            "pictures": self.pictures,
            "n": len(found),
            "median IoU": float(np.median(found)),
            "10 % below": float(np.quantile(found, 0.1)),
            "share above 0.95": float(np.mean(found > 0.95)),
            "median IoU of the first mask": float(np.median(self.best)),
            "left out": self.left_out,
        }


def enlarged(mask: CroppedMask, times: int) -> CroppedMask:
    """Return a mask in pixels of a picture that is `times` larger."""
    crop = mask.crop.repeat(times, axis=0).repeat(times, axis=1)
    y0, x0, y1, x1 = (times * edge for edge in mask.box)
    height, width = mask.shape
    return CroppedMask((y0, x0, y1, x1), crop, (times * height, times * width))


def compare_tiles(
    predictor: Predictor, case: Case, picture: np.ndarray, edge: int, count: int
) -> None:
    """Click `count` places of a picture, as a whole and on tiles of `edge` pixels."""
    rng = np.random.default_rng(len(case.same_token))
    whole = predictor.embed(picture, scale=1.0)
    tiled = PlaneEmbedding(
        Plane.of(picture), predictor.model, EmbeddingCache(), scale=1.0, edge=edge
    )
    height, width = whole.shape
    remaining = count
    while remaining:
        point = (rng.uniform(0, height - 1), rng.uniform(0, width - 1))
        (expected,) = predictor.predict(whole, points=[point])
        y0, x0, y1, x1 = expected.best.box
        if not 0 < max(y1 - y0, x1 - x0) <= edge / 2:
            case.left_out += 1
            continue
        (result,) = predictor.predict(tiled, points=[point])
        case.add(expected.best, result)
        remaining -= 1


def compare_sizes(
    predictor: Predictor,
    cases: dict[int, Case],
    picture: np.ndarray,
    points: list[tuple[int, int]],
) -> None:
    """Click objects of a picture, and of the same picture made larger."""
    config = predictor.model.config
    scale = choose_scale(picture.shape[:2], config).scale
    size = suited_size(scale, PIXEL_SIZE)
    expected = predictor.predict(predictor.embed(picture, scale=scale), points=points)
    for times, case in cases.items():
        height, width = (times * side for side in picture.shape[:2])
        values = resize(np.atleast_3d(picture).astype(np.float32), (height, width))
        large = np.rint(values).astype(picture.dtype).reshape(height, width, *picture.shape[2:])
        choice = choose_scale(
            (height, width), config, object_size=size, pixel_size=PIXEL_SIZE / times
        )
        plane = predictor.embed_plane(Plane.of(large), scale=choice.scale, cache=EmbeddingCache())
        # The centre of a pixel becomes the centre of a block of pixels.
        moved = [tuple(times * where + (times - 1) / 2 for where in point) for point in points]
        for plain, result in zip(expected, predictor.predict(plane, points=moved), strict=True):
            if plain.best.area:
                case.add(plain.best, result, times)
            else:
                case.left_out += 1


def pictures(folder: Path, at_most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pictures with their label images, spread over the folder."""
    files = pair_files(folder / "images", {"": folder / "masks"}).files
    for index in np.unique(np.linspace(0, len(files) - 1, at_most).astype(int)):
        yield read_image(files[index].image), read_labels(files[index].masks[""])


def tiled_cases(predictor: Predictor, dev: Path, count: int) -> list[Case]:
    """Measure `count` clicks: most on small tiles, the others on tiles of the usual size."""
    phase = [picture for picture, _ in pictures(dev / "usiigaci_phase", 4)]
    electron = [picture for picture, _ in pictures(dev / "em_vnc", 1)]
    quarter = count // 4
    cases = []
    for name, chosen, edge, share in (
        ("usiigaci_phase", phase[:2], 512, count - 2 * quarter),
        ("em_vnc", electron, 512, quarter),
        ("usiigaci_phase, mosaic of 4", [mosaic(phase)], 1024, quarter),
    ):
        case = Case(f"tiles of {edge} px against the whole", name)
        for picture in chosen:
            compare_tiles(predictor, case, picture, edge, share // len(chosen))
        print(case.row(), flush=True)
        cases.append(case)
    return [*cases, together(cases, "tiles against the whole")]


def mosaic(parts: list[np.ndarray]) -> np.ndarray:
    """Put four pictures together to one."""
    height, width = (min(part.shape[axis] for part in parts) for axis in (0, 1))
    a, b, c, d = (part[:height, :width] for part in parts)
    return np.vstack([np.hstack([a, b]), np.hstack([c, d])])


def sized_cases(predictor: Predictor, dev: Path, images: int, objects: int) -> list[Case]:
    """Measure some objects of some pictures of every set, two and four times larger."""
    cases: dict[int, list[Case]] = {times: [] for times in TIMES}
    for name in ("dsb2018", "wbc_blood", "usiigaci_phase", "em_vnc"):
        mine = {times: Case(f"up-sampled × {times}", name) for times in TIMES}
        for picture, labels in pictures(dev / name, images):
            found = choose(find_objects(labels), objects, np.random.default_rng(0))
            points = [centre_pixel(each) for each in found]
            compare_sizes(predictor, mine, picture, points)
        for times, case in mine.items():
            print(case.row(), flush=True)
            cases[times].append(case)
    return [
        case
        for times, some in cases.items()
        for case in (*some, together(some, f"up-sampled × {times}"))
    ]


def together(cases: list[Case], what: str) -> Case:
    """Return all cases of one kind as one."""
    total = Case(what, "all")
    for case in cases:
        total.same_token += case.same_token
        total.best += case.best
        total.left_out += case.left_out
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["tiled", "sized"])
    parser.add_argument("dev", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--model", default="tiny", help="checkpoint")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--clicks", type=int, default=200, help="tiled")
    parser.add_argument("--images", type=int, default=3, help="sized, per set")
    parser.add_argument("--objects", type=int, default=8, help="sized, per picture")
    options = parser.parse_args()
    predictor = Predictor(load_model(options.model, options.device))
    settings = {"model": options.model, "checkpoint": predictor.model.checkpoint_hash}
    settings["device"] = str(predictor.model.device)
    remarks = [
        "IoU with the mask of highest predicted IoU on the whole or plain picture: of the mask of "
        "the same token, and of the mask that is shown first."
    ]
    if options.what == "tiled":
        title = "Masks on tiles"
        cases = tiled_cases(predictor, options.dev, options.clicks)
        remarks.append("Left out: empty masks and those above half a tile; others were drawn.")
    else:
        title = "Masks of up-sampled pictures whose pixel size is known"
        cases = sized_cases(predictor, options.dev, options.images, options.objects)
        remarks.append("Left out: empty masks.")
    write_report(options.output, title, [case.row() for case in cases], settings, remarks)


if __name__ == "__main__":
    main()
