"""`tunesmith evaluate`: the table of a model and its baselines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.common import app, print_rows, progress

if TYPE_CHECKING:
    from tunesmith.api.evaluating import Evaluation, Row


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A run's folder or a checkpoint.")],
    corpus: Annotated[Path, typer.Argument(help="A folder made by `tunesmith prepare`.")],
    split: Annotated[str, typer.Option(help="test, validation or train.")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Train and score baselines too.")
    ] = True,
    limit: Annotated[
        int | None, typer.Option(help="At most so many tunes, drawn at random.", min=1)
    ] = None,
) -> None:
    """Bits a note of a model on tunes, beside baselines trained on the same tunes."""
    from tunesmith.api.composing import load_model
    from tunesmith.api.evaluating import evaluate as run

    with progress("scoring") as told:
        found = run(
            load_model(model), corpus, split=split, baselines=baselines, limit=limit, progress=told
        )
    if found.warning:
        print(f"WARNING: {found.warning}", file=sys.stderr)
    if as_json:
        print(json.dumps(found.to_dict(), indent=1, ensure_ascii=False))
    else:
        _print(found)


def _print(found: Evaluation) -> None:
    print(f"{found.tunes:,} tunes, {found.notes:,} notes, split '{found.split}'")
    for what, count in found.left_out.items():
        if count:
            print(f"  {what}: {count:,}")
    print("\nBits a note, with 95 % intervals over tunes; attributes unknown if not said otherwise")
    _table(found.rows, "")
    print(
        f"\nLoss {found.loss:.4f} nats a token, perplexity {found.perplexity:.4f} "
        f"(compares only within the vocabulary '{found.about['vocabulary']}')"
    )
    if found.sources:
        print("\nBy source")
        _table(found.sources, "source")
    print("\nThe model by place in the tune; header and end, which belong to no note, are apart:")
    for name, bits in found.around.items():
        print(f"  {name}: {bits.total:.2f} bits a tune ({bits.pitch:.2f} of them pitch)")
    _table(found.positions, "place")
    print()
    for name, value in found.about.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items())
        print(f"{name.replace('_', ' ')}: {value}")


def _table(rows: list[Row], title: str) -> None:
    compared = any(row.ahead for row in rows)
    head = [title, "notes", "joint", "pitch", "timing"] + ["model minus it"] * compared
    lines: list[tuple[str, ...]] = [tuple(head)]
    for row in rows:
        cells = [row.name, f"{row.notes:,}", str(row.joint), str(row.pitch), str(row.timing)]
        lines.append((*cells, *[str(row.ahead or "")] * compared))
    print_rows(lines)
