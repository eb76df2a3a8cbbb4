"""What the commands share: options of the same meaning, models, and what is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from napari_semantic_sam.errors import UserError

if TYPE_CHECKING:
    from napari_semantic_sam.inference import Predictor

Model = Annotated[str, typer.Option(help="Name of a checkpoint, or path of its file.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto for the best.")]
Channels = Annotated[
    str, typer.Option(help="One to three channels of the pictures, counted from 0: 0,2")
]


def load_predictor(model: str, device: str) -> Predictor:
    """Load a model, telling about a download.

    Raises
    ------
    UserError
        See `load_model`.
    """
    from napari_semantic_sam.inference import Predictor
    from napari_semantic_sam.model import load_model

    return Predictor(load_model(model, device, progress=tell_bytes))


def read_channels(text: str) -> list[int] | None:
    """Read the option ``--channels``; None if it is empty.

    Raises
    ------
    UserError
        If there are no whole numbers in it.
    """
    return read_whole_numbers("--channels", text, 'one to three whole numbers as "0,2"') or None


def read_whole_numbers(option: str, text: str, form: str) -> list[int]:
    """Read an option of whole numbers with commas between them.

    Raises
    ------
    UserError
        If it cannot be read; it names the option and the form.
    """
    try:
        return [int(number) for number in text.split(",")] if text else []
    except ValueError as error:
        raise UserError(f'{option} "{text}" cannot be read; write {form}.') from error


def tell_error(sentence: str) -> None:
    """Print what a user can mend on one line of the error stream."""
    print("Error:", sentence.replace("\n", " "), file=sys.stderr)


def tell_bytes(done: int, total: int | None) -> None:
    """Show how far a download is."""
    of = f" of {total / 2**20:.0f}" if total else ""
    tell_step("" if done == total else f"downloading {done / 2**20:.0f}{of} MiB")


def tell_step(text: str) -> None:
    """Show progress on a line that keeps being replaced, where somebody can see it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
