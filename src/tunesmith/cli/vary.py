"""`tunesmith vary`: some notes of a melody anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.common import Model, Track, app
from tunesmith.cli.options import (
    OUTPUT,
    Choice,
    Output,
    Scales,
    Soft,
    Source,
    constraints_of,
    flat,
    rework,
)


@app.command()
@flat
def vary(
    path: Source,
    scales: Scales,
    soft: Soft,
    choice: Choice,
    output: Output,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="rhythm|pitches|contour|bars=1,3", show_default=False,
            help="What stays the same; may be given again.",
        ),
    ] = None,
    amount: Annotated[
        float, typer.Option(help="Share of the free notes that change, up to 1.")
    ] = 0.3,
    out: Annotated[
        Path, typer.Option(help="A folder for the melodies.", rich_help_panel=OUTPUT)
    ] = Path("varied"),
    model: Model = None,
    track: Track = "auto",
) -> None:  # fmt: skip
    """Variations of a melody: what is kept stays exactly, and something always changes."""
    from tunesmith.api import varying
    from tunesmith.decoding.constraints import Constraints

    varying.parse_keep(keep or ())  # before the model is loaded
    rework(
        varying.vary, path, track, model, soft, choice, output, out,
        keep or (), Constraints(**constraints_of(scales)), amount=amount,
    )  # fmt: skip
