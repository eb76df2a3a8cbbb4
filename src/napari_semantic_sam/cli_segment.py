"""The command ``segment``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from napari_semantic_sam.batch.output import MOST_PIXELS, Output
from napari_semantic_sam.cli_support import (
    Channels,
    Device,
    Model,
    load_predictor,
    read_channels,
    read_whole_numbers,
    tell_error,
)
from napari_semantic_sam.errors import UserError

if TYPE_CHECKING:
    from napari_semantic_sam.batch.files import SegmentReport
    from napari_semantic_sam.batch.output import Form

_ZARR_ABOVE = MOST_PIXELS / 1e6


def segment(
    images: Annotated[
        list[Path], typer.Argument(help="TIFF, PNG or JPEG files, OME-Zarr folders.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the label images and tables.")],
    points: Annotated[
        list[str] | None, typer.Option(help='Clicks in pixels: "y,x;y,x"; may be given again.')
    ] = None,
    boxes: Annotated[
        list[str] | None,
        typer.Option(help='Boxes in pixels: "y0,x0,y1,x1;…"; may be given again.'),
    ] = None,
    model: Model = "tiny",
    device: Device = "auto",
    channels: Channels = "",
    axes: Annotated[
        str, typer.Option(help="What the dimensions are, if a file does not say: ZYX, TCYX, …")
    ] = "",
    plane: Annotated[
        str, typer.Option(help="Of stacks, only this: z=5 or t=2,z=5; else every plane.")
    ] = "",
    pixel_size: Annotated[
        float | None,
        typer.Option(min=1e-6, help="Micrometres per pixel, if the files do not say it right."),
    ] = None,
    object_size: Annotated[
        str,
        typer.Option(help="How large objects are across, 30 (pixels) or 12um; sets the scale."),
    ] = "",
    scale: Annotated[
        float | None,
        typer.Option(help="Pixels the model sees per pixel of the picture, 1/64 to 16."),
    ] = None,
    automatic: Annotated[
        bool, typer.Option("--automatic", help="Segment everything, without clicks and boxes.")
    ] = False,
    levels: Annotated[
        str, typer.Option(help="With --automatic: levels to look for (1,3,6); else all.")
    ] = "",
    sizes: Annotated[
        str,
        typer.Option(help="With --automatic: diameters to look for, 10:40 (pixels) or 2.5:10um."),
    ] = "",
    region: Annotated[
        Path | None,
        typer.Option(help="With --automatic: a label image or GeoJSON; look only inside."),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="With --automatic: tables of sizes and shapes.")
    ] = False,
    link: Annotated[
        bool,
        typer.Option(
            "--link/--no-link",
            help="With --automatic: of stacks, whether an object has one number in all planes.",
        ),
    ] = True,
    output_format: Annotated[
        str,
        typer.Option(
            help="With --automatic: tiff, zarr (OME-Zarr), or auto: zarr for planes above the size "
            "of --zarr-above, tiff for others."
        ),
    ] = "auto",
    zarr_above: Annotated[
        float,
        typer.Option(
            min=0,
            max=1e9,
            help="With --automatic: megapixels of a plane above which it is segmented and written "
            "part by part, as zarr, so that it need not fit memory.",
        ),
    ] = _ZARR_ABOVE,
) -> None:
    """Segment clicks, boxes or everything in pictures.

    Writes one label image for each level and a table of the masks for each picture; stacks are
    segmented plane by plane. What an automatic run has finished is not done again.
    """
    from napari_semantic_sam.batch.guiding import Wishes
    from napari_semantic_sam.batch.object_scale import ObjectScale
    from napari_semantic_sam.batch.pictures import PictureOptions
    from napari_semantic_sam.io.files import writable_folder
    from napari_semantic_sam.io.pairs import by_stem

    clicks = [(y, x) for y, x in _coordinates("--points", points, "y,x")]
    corners = [(y0, x0, y1, x1) for y0, x0, y1, x1 in _coordinates("--boxes", boxes, "y0,x0,y1,x1")]
    wanted = read_whole_numbers("--levels", levels, 'whole numbers as "1,3,6"')
    seen = ObjectScale(object_size, scale)
    options = PictureOptions(axes, read_channels(channels), _plane(plane), pixel_size, seen)
    if automatic and (clicks or corners):
        raise UserError("--automatic finds everything by itself; leave out --points and --boxes.")
    form = Output(cast("Form", output_format), round(zarr_above * 1e6))
    is_formed = output_format != "auto" or zarr_above != _ZARR_ABOVE
    of_automatic = wanted or measure or sizes or region or not link or is_formed
    if not automatic and of_automatic:
        raise UserError(
            "--levels, --sizes, --region, --measure, --no-link, --output-format and --zarr-above "
            "belong to --automatic; add it or leave them out."
        )

    wishes = Wishes(sizes, region)
    # All this now, as loading the model takes longer.
    wishes.check()
    seen.check()
    if not (automatic or clicks or corners):
        raise UserError("Give at least one click or box by --points or --boxes, or --automatic.")
    by_stem(images)
    writable_folder(output)

    predictor = load_predictor(model, device)
    if automatic:
        from napari_semantic_sam.batch.automatic import segment_everything
        from napari_semantic_sam.inference.automatic.picture import suited_settings

        reports = segment_everything(
            images,
            predictor,
            suited_settings(predictor, wanted),
            output,
            options=options,
            wishes=wishes,
            measure=measure,
            link=link,
            form=form,
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
            options=options,
            progress=_tell_segmented,
        )
    if any(report.error or report.skipped for report in reports):
        raise typer.Exit(1)


def _coordinates(option: str, texts: list[str] | None, form: str) -> list[tuple[float, ...]]:
    text = ";".join(texts or [])
    try:
        rows = [tuple(map(float, row.split(","))) for row in text.split(";") if row.strip()]
    except ValueError:
        rows = [()]
    if any(len(row) != len(form.split(",")) for row in rows):
        raise UserError(f'{option} "{text}" cannot be read; write numbers as "{form};{form}".')
    return rows


def _plane(text: str) -> dict[str, int]:
    found = [re.fullmatch(r"\s*([tzTZ])\s*=\s*(\d+)\s*", part) for part in text.split(",") if part]
    chosen = {match[1].upper(): int(match[2]) for match in found if match}
    if len(chosen) < len(found):
        raise UserError(f'--plane "{text}" cannot be read; write "z=5", "t=2" or "t=2,z=5".')
    return chosen


def _tell_segmented(report: SegmentReport) -> None:
    for sentence in report.notices:
        print("Note:", sentence, file=sys.stderr)
    for sentence in filter(None, (*report.skipped, report.error)):
        tell_error(sentence)
    if not report.error:
        if not report.masks:
            print(
                f"Note: No mask was found in {report.image}; say how large its objects are with "
                "--object-size.",
                file=sys.stderr,
            )
        masks = "1 mask" if report.masks == 1 else f"{report.masks} masks"
        before = " (done before)" if report.done_before else ""
        print(f"{report.image}: {masks} in {report.files[-1].parent}{before}")
