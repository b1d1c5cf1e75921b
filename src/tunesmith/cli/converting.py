"""Commands that look at files, and turn them into others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.cli.common import Force, Track, app
from tunesmith.errors import UsageError


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A file of music.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    track: Track = "auto",
    force: Force = False,
) -> None:
    """Turn a file into another format, or into a score (.svg, .png) or sound (.wav)."""
    from tunesmith import formats
    from tunesmith.api.writing import write
    from tunesmith.keyfinding import with_estimates

    readings = formats.scan(source, track)
    melodies = [r.melody for r in readings if r.melody]
    errors = [r.error for r in readings if r.error]
    for error in errors if melodies else errors[1:]:
        print(f"left out: {error}", file=sys.stderr)
    for detail in (d for r in readings for d in r.details):
        print(f"{source}: {detail}", file=sys.stderr)
    for remark, count in _remarks(readings).items():
        print(f"{source}: {remark}: {count}", file=sys.stderr)
    if not melodies:
        raise errors[0] if errors else UsageError("there is no tune in it", where=str(source))
    keyed = [with_estimates(m) for m in melodies]
    if estimated := sum(a is not b for a, b in zip(keyed, melodies, strict=True)):
        print(f"{source}: key not named, estimated: {estimated}", file=sys.stderr)
    write(keyed, target, force=force)
    print(f"{len(melodies)} {'tune' if len(melodies) == 1 else 'tunes'} in {target}")


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files or folders.")],
    track: Track = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON object a line for each tune.")
    ] = False,
) -> None:
    """Say for each tune whether it is kept as written, mended or refused, where, and what to do."""
    import json
    from collections import Counter

    from tunesmith.api.checking import check as run

    counts: Counter[str] = Counter()
    for verdict in run(paths, track):
        counts[verdict.verdict] += 1
        print(json.dumps(verdict.to_dict(), ensure_ascii=False) if as_json else verdict)
    if not as_json:
        said = ", ".join(f"{counts[v]} {v}" for v in ("kept", "mended", "refused"))
        print(f"{counts.total()} {'tune' if counts.total() == 1 else 'tunes'}: {said}")
    if counts["refused"]:
        raise typer.Exit(2)


@app.command()
def info(
    path: Annotated[Path, typer.Argument(help="A file of music, a corpus, a run or a model.")],
    track: Track = "auto",
) -> None:
    """Say what something is, in a screenful."""
    from tunesmith.api.looking import describe

    print(describe(path, track))


@app.command("tokens")
def show_tokens(
    path: Annotated[Path, typer.Argument(help="A file of music.")],
    tokens: Annotated[str, typer.Option(help="notes, letters or pitches.")] = "notes",
    track: Track = "auto",
) -> None:
    """Print tunes as tokens in words, a bar a line."""
    from tunesmith.api.looking import tokens_in_words

    print(tokens_in_words(path, tokens, track))


def _remarks(readings: Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for reading in readings:
        for remark, count in reading.remarks.items():
            total[remark] = total.get(remark, 0) + count
    return total
