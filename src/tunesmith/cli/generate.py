"""`tunesmith generate`: melodies that keep what is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.common import Model, app, progress
from tunesmith.cli.options import (
    LINE,
    OUTPUT,
    Bars,
    Choice,
    Output,
    Pitches,
    Shape,
    Soft,
    Times,
    constraints_of,
    finish,
    flat,
    one_melody,
    ready,
)
from tunesmith.errors import UsageError


@app.command()
@flat
def generate(
    pitches: Pitches,
    bars: Bars,
    times: Times,
    shape: Shape,
    soft: Soft,
    choice: Choice,
    output: Output,
    out: Annotated[
        Path, typer.Option(help="A folder for the melodies.", rich_help_panel=OUTPUT)
    ] = Path("tunes"),
    model: Model = None,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", rich_help_panel=LINE, show_default=False,
            help="Its key, metre, range, bars and density, where nothing else is asked; no copy.",
        ),
    ] = None,
    from_receipt: Annotated[
        Path | None,
        typer.Option(
            help="Write the tune of this receipt again instead.", rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
) -> None:  # fmt: skip
    """Compose melodies, each with a receipt. What must hold, holds; see docs/constraints.md."""
    from tunesmith.api import composing
    from tunesmith.api.unwanted import MOST_SILENCE
    from tunesmith.decoding.constraints import Constraints

    if from_receipt:
        groups = (pitches, bars, times, shape, soft, choice)
        if any(g != type(g)() for g in groups) or model or like or output.tempo is not None:
            raise UsageError(
                "the tune of a receipt is written as it is", where="--from-receipt",
                remedy="leave out all else but --out, --format, --sheet, --force and --json",
            )  # fmt: skip
        tune = composing.read_receipt(from_receipt)
        finish([tune], out, output, sheet=bool(output.sheet), again=True)
        return
    sheet = ready(out, output, soft, choice)
    with progress("composing") as told:
        tunes = composing.generate(
            composing.load_model(model),
            Constraints(**constraints_of(pitches, bars, times, shape)),
            like=one_melody(like) if like else None,
            most_silence=MOST_SILENCE,
            tempo=output.tempo,
            **choice.how(soft, told),
        )
    finish(tunes, out, output, sheet=sheet)
