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

from napari_semantic_sam.cli_segment import segment
from napari_semantic_sam.cli_support import (
    Channels,
    Device,
    Model,
    load_predictor,
    read_channels,
    tell_bytes,
    tell_error,
    tell_step,
)
from napari_semantic_sam.errors import UserError

if TYPE_CHECKING:
    from napari_semantic_sam.model.registry import CheckpointInfo

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
models = typer.Typer(help="List, download, convert and describe checkpoints.", no_args_is_help=True)
app.add_typer(models, name="models")


def main() -> None:
    """Run the command line; what a user can mend is one line on the error stream."""
    try:
        app(prog_name="napari-semantic-sam")
    except UserError as error:
        tell_error(str(error))
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


app.command()(segment)


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
        str,
        typer.Option(
            help="one-click, box, granularity, interactive or automatic; of stacks, "
            "propagation or linking."
        ),
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
        typer.Option(
            help="With automatic and linking: the level that counts, not the checkpoint's."
        ),
    ] = None,
    axis: Annotated[
        str | None,
        typer.Option(help="With linking: Z (if left out), or T, where objects may divide."),
    ] = None,
) -> None:
    """Measure a model on pictures with annotations.

    Pictures that cannot be used are named and left out, and the exit code is 1.
    """
    folders, chosen = _mask_folders(masks), read_channels(channels)

    from napari_semantic_sam.evaluation import evaluate as measure
    from napari_semantic_sam.evaluation.report import check_target
    from napari_semantic_sam.evaluation.run import check_request
    from napari_semantic_sam.io.pairs import pair_files

    # Now, not after a model has been loaded, or after an hour.
    check_request(protocol, max_objects=max_objects, level=level, axis=axis)
    check_target(output)
    pair_files(images, folders)
    report = measure(
        load_predictor(model, device),
        images,
        folders,
        protocol,
        seed=seed,
        channels=chosen,
        max_objects=max_objects,
        level=level,
        axis=axis,
        progress=lambda done, total, name: tell_step(f"{done + 1} of {total}: {name}"),
    )
    tell_step("")
    for entry in report.skipped:
        print(f"Left out {entry['image']}: {entry['reason']}", file=sys.stderr)
    width = max(map(len, report.summary))
    for name, value in report.summary.items():
        print(f"{name:{width}} {value:.4g}")
    table = replace(report, provenance={"model": model} | report.provenance).write(output)
    print(f"Written: {output}, {table}")
    if left_out := len({entry["image"] for entry in report.skipped}):
        tell_error(f"{left_out} of the pictures were left out wholly or in part; see above.")
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
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the output folder.")
    ] = False,
    start: Annotated[
        str | None, typer.Option(help="Checkpoint to start from, instead of the file's.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="all or scores (of the masks), instead of the file's.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Length of the run, instead of the file's.")
    ] = None,
) -> None:
    """Train a checkpoint as a file says."""
    from napari_semantic_sam.training.config import read_config, with_changes
    from napari_semantic_sam.training.run import train as run

    recipe = with_changes(read_config(config), start=start, part=part, minutes=minutes)
    if minutes is not None:
        recipe = with_changes(recipe, images=0)  # the file's other measure of length
    path = run(recipe, config.parent, output=output, max_minutes=max_minutes, resume=resume)
    print(f"Written: {path}")


@app.command()
def replay(
    journal: Annotated[Path, typer.Argument(help="A journal of the annotation panel (.jsonl).")],
    image: Annotated[
        Path, typer.Argument(help="The picture that was annotated, a file or an OME-Zarr folder.")
    ],
    checkpoint: Annotated[
        str | None, typer.Option(help="Name or file, instead of the journal's.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1 or mps, instead of the journal's.")
    ] = None,
) -> None:
    """Compute an annotation again from its journal.

    Prints the overlap (IoU) of the recorded and the recomputed mask of each object; the exit
    code is 1 if one is below 0.999.
    """
    from napari_semantic_sam.annotation.replay import replay as repeat
    from napari_semantic_sam.io.opening import open_image

    with open_image(image) as opened:
        found = repeat(
            journal,
            opened,
            load_predictor,
            checkpoint=checkpoint,
            device=device,
            progress=lambda done, total: tell_step("" if done == total else f"{done} of {total}"),
        )
    print(f"{'step':>6} {'level':>5} {'label':>6} {'pixels':>8} {'IoU':>8}")
    for each in found:
        print(f"{each.step:6} {each.level:5} {each.index:6} {each.area:8} {each.iou:8.5f}")
    same = sum(each.is_same for each in found)
    print(f"{same} of {len(found)} objects are the same.")
    if same < len(found):
        raise typer.Exit(1)


@app.command()
def restore(
    journal: Annotated[Path, typer.Argument(help="A journal of the annotation panel (.jsonl).")],
    output: Annotated[
        Path, typer.Argument(help="The file to write: .ome.tif, .tif, .json (COCO) or .geojson.")
    ],
) -> None:
    """Write the labels of a journal to a file.

    For when napari was closed without saving. Neither the picture nor the model is needed.
    """
    from napari_semantic_sam.annotation.exchange import write_labels_file
    from napari_semantic_sam.annotation.journal_labels import labels_of_journal

    if output.exists():
        raise UserError(f"{output} exists already; give another name.")
    for path in write_labels_file(labels_of_journal(journal), output):
        print(f"Written: {path}")


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
    """Fetch a checkpoint, to be used offline."""
    from napari_semantic_sam.model.loading import checkpoint_path

    print(checkpoint_path(name, progress=tell_bytes))


@models.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A published .pth file.")],
    output: Annotated[Path, typer.Option(help="The .safetensors file to write.")],
) -> None:
    """Rewrite a published checkpoint in our format."""
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
