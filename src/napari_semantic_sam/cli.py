"""The command line: the same verbs as the panel, without napari or Qt.

Everything heavy is imported inside the commands, so that ``--help`` is quick.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_semantic_sam.errors import UserError

if TYPE_CHECKING:
    from napari_semantic_sam.batch.files import SegmentReport
    from napari_semantic_sam.inference import Predictor
    from napari_semantic_sam.model.registry import CheckpointInfo

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
models = typer.Typer(help="List, download, convert and describe checkpoints.", no_args_is_help=True)
app.add_typer(models, name="models")

Model = Annotated[str, typer.Option(help="Name of a checkpoint, or path of its file.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto for the best.")]
Channels = Annotated[
    str, typer.Option(help="One to three channels of the pictures, counted from 0: 0,2")
]


def main() -> None:
    """Run the command line; what a user can mend is one line on the error stream."""
    try:
        app(prog_name="napari-semantic-sam")
    except UserError as error:
        _tell_error(str(error))
        sys.exit(1)


def _print_version(wanted: bool) -> None:
    if wanted:
        import napari_semantic_sam

        print(napari_semantic_sam.__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """One click gives every structure under it, as nested masks."""


@app.command()
def segment(
    images: Annotated[list[Path], typer.Argument(help="TIFF, PNG or JPEG files.")],
    output: Annotated[Path, typer.Option(help="Folder for the label images and tables.")],
    points: Annotated[str, typer.Option(help='Clicks in pixels: "y,x;y,x"')] = "",
    boxes: Annotated[str, typer.Option(help='Boxes in pixels: "y0,x0,y1,x1;…"')] = "",
    model: Model = "tiny",
    device: Device = "auto",
    channels: Channels = "",
    automatic: Annotated[
        bool, typer.Option("--automatic", help="Segment everything, without clicks and boxes.")
    ] = False,
    levels: Annotated[
        str, typer.Option(help="With --automatic: levels to look for (1,3,6); else all.")
    ] = "",
    measure: Annotated[
        bool, typer.Option("--measure", help="With --automatic: tables of sizes and shapes.")
    ] = False,
    pixel_size: Annotated[
        float | None, typer.Option(min=1e-6, help="With --measure: micrometres per pixel.")
    ] = None,
) -> None:
    """Segment the same clicks and boxes in pictures, or everything in them.

    Writes one label image for each level and a table of the masks for each picture. What an
    automatic run has finished is not done again.
    """
    clicks = [(y, x) for y, x in _coordinates("--points", points, "y,x")]
    corners = [(y0, x0, y1, x1) for y0, x0, y1, x1 in _coordinates("--boxes", boxes, "y0,x0,y1,x1")]
    chosen, wanted = _channels(channels), _levels(levels)
    if automatic and (clicks or corners):
        raise UserError("--automatic finds everything by itself; leave out --points and --boxes.")
    if not automatic and (wanted or measure):
        raise UserError("--levels and --measure belong to --automatic; add it or leave them out.")
    if pixel_size is not None and not measure:
        raise UserError("--pixel-size belongs to --measure; add it or leave it out.")

    predictor = _predictor(model, device)
    if automatic:
        from napari_semantic_sam.batch.automatic import Measuring, segment_everything
        from napari_semantic_sam.inference.automatic.picture import suited_settings

        reports = segment_everything(
            images,
            predictor,
            suited_settings(predictor, wanted),
            output,
            channels=chosen,
            measuring=Measuring(pixel_size) if measure else None,
            progress=_tell_segmented,
        )
    else:
        from napari_semantic_sam.batch.segment import segment_files

        reports = segment_files(
            images,
            predictor,
            clicks,
            corners,
            output,
            channels=chosen,
            progress=_tell_segmented,
        )
    if any(report.error for report in reports):
        raise typer.Exit(1)


@app.command()
def evaluate(
    images: Annotated[Path, typer.Option(help="Folder of pictures.")],
    masks: Annotated[
        list[str],
        typer.Option(
            help="Folder of label images with the names of the pictures, or NAME=FOLDER; "
            "may be given several times, once for each granularity."
        ),
    ],
    output: Annotated[Path, typer.Option(help="The report: JSON, and markdown beside it.")],
    protocol: Annotated[
        str, typer.Option(help="one-click, box, granularity, interactive or automatic.")
    ] = "one-click",
    model: Model = "tiny",
    device: Device = "auto",
    channels: Channels = "",
    seed: Annotated[int, typer.Option(min=0, help="Of random clicks and choices.")] = 0,
    max_objects: Annotated[
        int | None, typer.Option(min=1, help="Prompt for so many objects of a picture.")
    ] = None,
    level: Annotated[
        int | None,
        typer.Option(help="With automatic: the level that counts, not the checkpoint's."),
    ] = None,
) -> None:
    """Measure a model on pictures with annotations.

    Pictures that cannot be used are named and left out, and the exit code is 1.
    """
    folders, chosen = _mask_folders(masks), _channels(channels)

    from napari_semantic_sam.evaluation import evaluate as measure
    from napari_semantic_sam.evaluation.report import check_target

    check_target(output)  # now, not after an hour
    report = measure(
        _predictor(model, device),
        images,
        folders,
        protocol,
        seed=seed,
        channels=chosen,
        max_objects=max_objects,
        level=level,
        progress=lambda done, total, name: _tell_step(f"{done + 1} of {total}: {name}"),
    )
    _tell_step("")
    for entry in report.skipped:
        print(f"Left out {entry['image']}: {entry['reason']}", file=sys.stderr)
    width = max(map(len, report.summary))
    for name, value in report.summary.items():
        print(f"{name:{width}} {value:.4g}")
    table = replace(report, provenance={"model": model} | report.provenance).write(output)
    print(f"Written: {output}, {table}")
    if left_out := len({entry["image"] for entry in report.skipped}):
        _tell_error(f"{left_out} of the pictures were left out wholly or in part; see above.")
        raise typer.Exit(1)


@app.command()
def train(
    config: Annotated[Path, typer.Option(help="The training file (YAML).")],
    output: Annotated[
        Path | None, typer.Option(help="Folder for checkpoint and report; else runs/NAME.")
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after this time; can be resumed.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run there.")] = False,
    start: Annotated[
        str | None, typer.Option(help="Checkpoint to start from, instead of the file's.")
    ] = None,
) -> None:
    """Train a checkpoint as a file says."""
    from napari_semantic_sam.training.config import read_config
    from napari_semantic_sam.training.run import train as run

    recipe = read_config(config)
    if start is not None:
        recipe = replace(recipe, start=start)
    path = run(recipe, config.parent, output=output, max_minutes=max_minutes, resume=resume)
    print(f"Written: {path}")


@app.command()
def replay(
    journal: Annotated[Path, typer.Argument(help="A journal of the annotation panel (.jsonl).")],
    image: Annotated[Path, typer.Argument(help="The picture that was annotated.")],
    checkpoint: Annotated[
        str | None, typer.Option(help="Name or file, instead of the journal's.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1 or mps, instead of the journal's.")
    ] = None,
) -> None:
    """Compute the objects of an annotation again, from its journal.

    Prints the overlap (IoU) of the recorded and the recomputed mask of each object; the exit
    code is 1 if one is below 0.999.
    """
    from napari_semantic_sam.annotation.replay import replay as repeat
    from napari_semantic_sam.io.images import read_image

    found = repeat(
        journal,
        read_image(image),
        _predictor,
        checkpoint=checkpoint,
        device=device,
        progress=lambda done, total: _tell_step("" if done == total else f"{done} of {total}"),
    )
    print(f"{'step':>6} {'level':>5} {'label':>6} {'pixels':>8} {'IoU':>8}")
    for each in found:
        print(f"{each.step:6} {each.level:5} {each.index:6} {each.area:8} {each.iou:8.5f}")
    same = sum(each.is_same for each in found)
    print(f"{same} of {len(found)} objects are the same.")
    if same < len(found):
        raise typer.Exit(1)


@models.command("list")
def list_models() -> None:
    """List the checkpoints that can be given as a model."""
    from napari_semantic_sam.model.registry import list_checkpoints

    for info in list_checkpoints():
        print(f"{info.name:16} {_state(info):24} {info.problem or info.description}")
        if info.licence:
            print(f"{'':16} licence: {info.licence}")


@models.command()
def download(name: Annotated[str, typer.Argument(help="Name of a checkpoint.")]) -> None:
    """Fetch a checkpoint and verify it, so that it can be used offline."""
    from napari_semantic_sam.model.loading import checkpoint_path

    print(checkpoint_path(name, progress=_tell_bytes))


@models.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A published .pth file.")],
    output: Annotated[Path, typer.Option(help="The .safetensors file to write.")],
) -> None:
    """Rewrite a published checkpoint in this package's format, with the same numbers."""
    from napari_semantic_sam.model.checkpoint import convert_published

    metadata = convert_published(source, output)
    print(f"Written: {output} ({metadata.name})")


@models.command()
def describe(
    model: Annotated[str, typer.Argument(help="Name of a checkpoint, or path of its file.")],
) -> None:
    """Print the record of a checkpoint as JSON; nothing is downloaded."""
    from napari_semantic_sam.model.loading import describe as read

    print(json.dumps(asdict(read(model)), indent=2, ensure_ascii=False))


def _predictor(model: str, device: str) -> Predictor:
    from napari_semantic_sam.inference import Predictor
    from napari_semantic_sam.model import load_model

    return Predictor(load_model(model, device, progress=_tell_bytes))


def _coordinates(option: str, text: str, form: str) -> list[tuple[float, ...]]:
    try:
        rows = [tuple(map(float, row.split(","))) for row in text.split(";") if row.strip()]
    except ValueError:
        rows = [()]
    if any(len(row) != len(form.split(",")) for row in rows):
        raise UserError(f'{option} "{text}" cannot be read; write numbers as "{form};{form}".')
    return rows


def _channels(text: str) -> list[int] | None:
    try:
        return [int(channel) for channel in text.split(",")] if text else None
    except ValueError as error:
        raise UserError(
            f'--channels "{text}" cannot be read; write one to three whole numbers as "0,2".'
        ) from error


def _levels(text: str) -> list[int]:
    try:
        return [int(level) for level in text.split(",")] if text else []
    except ValueError as error:
        raise UserError(
            f'--levels "{text}" cannot be read; write whole numbers as "1,3,6".'
        ) from error


def _mask_folders(values: list[str]) -> dict[str, Path]:
    """Read ``FOLDER`` or ``NAME=FOLDER``; several folders without a name go by their own."""
    folders: dict[str, Path] = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals or Path(value).is_dir():  # a folder's own name may hold the sign
            name, rest = ("" if len(values) == 1 else Path(value).name), value
        if name in folders:
            raise UserError(f'Two folders of masks are called "{name}"; write NAME=FOLDER.')
        folders[name] = Path(rest)
    return folders


def _state(info: CheckpointInfo) -> str:
    if not info.downloaded and info.source == "bundled":
        return "missing"
    size = f", {info.size / 1e6:.0f} MB" if info.size else ""
    return f"{info.source if info.downloaded else 'to download'}{size}"


def _tell_error(sentence: str) -> None:
    print("Error:", sentence.replace("\n", " "), file=sys.stderr)


def _tell_segmented(report: SegmentReport) -> None:
    if report.error:
        _tell_error(report.error)
    else:
        before = " (done before)" if report.done_before else ""
        print(f"{report.image}: {report.masks} masks in {report.files[-1].parent}{before}")


def _tell_bytes(done: int, total: int | None) -> None:
    of = f" of {total / 2**20:.0f}" if total else ""
    _tell_step("" if done == total else f"downloading {done / 2**20:.0f}{of} MiB")


def _tell_step(text: str) -> None:
    """Show progress on a line that keeps being replaced, where somebody can see it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
