"""`tunesmith rules`: a verdict on melodies, rule by rule."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.common import Track, app, print_rows
from tunesmith.errors import TunesmithError

if TYPE_CHECKING:
    from tunesmith.api.judging import RulesVerdict


@app.command()
def rules(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files or folders.")],
    track: Track = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a verdict a tune.")] = False,
) -> None:
    """What musical rules a melody keeps, from 0 to 1, and where it breaks them."""
    from tunesmith.api.judging import judge_files

    errors: list[TunesmithError] = []
    verdicts = list(judge_files(paths, track=track, left_out=errors.append))
    if not verdicts:
        raise errors[0]
    for error in errors:
        print(error, file=sys.stderr)
    if as_json:
        print(json.dumps([v.to_dict() for v in verdicts], indent=1, ensure_ascii=False))
    elif len(verdicts) == 1:
        print(verdicts[0])
    else:
        _print_summary(verdicts)
    if errors:
        raise typer.Exit(2)


def _print_summary(verdicts: list[RulesVerdict]) -> None:
    from tunesmith.api.judging import rules_summary

    rows: list[tuple[str, ...]] = [("rule", "tunes", "mean", "least", "which is")]
    for row in rules_summary(verdicts):
        figures = ["-" if row[k] is None else f"{row[k]:.2f}" for k in ("mean", "least")]
        rows.append((row["rule"], str(row["tunes"]), *figures, row["where"]))
    print(f"{len(verdicts)} tunes")
    print_rows(rows)
