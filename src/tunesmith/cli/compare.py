"""The command that holds a set of tunes against a reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.common import app, print_rows


@app.command()
def compare(
    tunes: Annotated[
        Path, typer.Argument(metavar="SET", help="Tunes: a file, a folder of files or a corpus.")
    ],
    reference: Annotated[
        Path, typer.Argument(metavar="REFERENCE", help="The same, to hold against.")
    ],
    side: Annotated[
        str | None,
        typer.Option(
            metavar="train|validation|test", help="Of a corpus as reference; all if none."
        ),
    ] = None,
    classifier: Annotated[
        bool | None,
        typer.Option(
            "--classifier/--no-classifier",
            help="Try to tell them apart by a classifier (needs scikit-learn).  "
            "[default: if that is there and the tunes are enough]",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say how like a reference a set of tunes is, feature by feature, beside the ceiling."""
    import json

    from tunesmith.api.resembling import compare as run
    from tunesmith.api.resembling import comparison_notes, comparison_rows

    found = run(tunes, reference, side=side, classifier=classifier)
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
        return
    print_rows(comparison_rows(found))
    print("\n".join(["", *comparison_notes(found)]))
