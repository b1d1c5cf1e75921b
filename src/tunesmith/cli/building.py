"""Commands that make corpora and models."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from tunesmith.cli.common import Force, Track, app, print_rows, progress


@app.command()
def quickstart(
    out: Annotated[Path, typer.Option(help="A new folder for everything.")] = Path("first-tunes"),
    minutes: Annotated[float, typer.Option(help="Minutes of training.", min=0.05)] = 3.0,
    source: Annotated[str, typer.Option(help="What to train on; as in prepare.")] = "folk",
    seed: Annotated[int, typer.Option(help="Of training and composing.", min=0)] = 1,
    force: Force = False,
) -> None:
    """Prepare real tunes, train the smallest model on them, compose eight melodies."""
    from tunesmith.api.quickstart import quickstart as run

    with progress("reading") as told:
        tunes = run(
            out, minutes=minutes, source=source, seed=seed, force=force,
            say=print, progress=told, log=_print_step,
        )  # fmt: skip
    if not tunes:
        _say_stopped(out / "corpus", out / "run", None)
    print(f"\nDone. Look at {out / 'summary.md'}; the melodies are in {out / 'tunes'}.")


@app.command()
def prepare(
    sources: Annotated[
        list[str], typer.Argument(help="Files, folders, or names that `tunesmith corpora` lists.")
    ],
    out: Annotated[Path, typer.Option(help="The corpus folder to make or update.")],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Take sources whose licence is restricted.")
    ] = False,
    licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The licence of the files and folders.")
    ] = None,
    track: Track = "auto",
    longest_silence: Annotated[
        int | None,
        typer.Option(
            metavar="BARS",
            min=0,
            help="Take out silent bars beyond so many in a row, and all at the tune's edges.",
        ),
    ] = None,
) -> None:
    """Read tunes, group near-duplicates, split them, and say what was left out and why."""
    from tunesmith.api.preparing import corpus_table
    from tunesmith.api.preparing import prepare as run

    with progress("reading") as told:
        prepared = run(
            sources, out, accept_licence=accept_licence, licence=licence, track=track,
            longest_silence=longest_silence, progress=told,
        )  # fmt: skip
    if not prepared.changed:
        print(f"{out}: nothing has changed")
    print(corpus_table(prepared.corpus.manifest))
    print(f"The corpus is in {out}; every reject is in {out / 'rejects.jsonl'}.")


@app.command()
def corpora() -> None:
    """List the named corpora, their licences, and whether they are installed."""
    from tunesmith.corpus import named_corpora

    rows: list[tuple[str, ...]] = [("name", "tunes", "installed", "licence", "what")]
    rows += [
        (c.name, str(c.tunes), "yes" if c.installed else "no", c.licence, c.description)
        for c in named_corpora()
    ]
    print_rows(rows)


@app.command()
def train(
    corpus: Annotated[Path, typer.Argument(help="A folder made by `tunesmith prepare`.")],
    out: Annotated[Path, typer.Option(help="The run's folder.")],
    tokens: Annotated[
        str | None, typer.Option(help="notes, letters or pitches.  [default: notes]")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="nano, small, base or large.  [default: nano]")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="How long to train at most.", min=0.01)
    ] = None,
    steps: Annotated[int | None, typer.Option(help="How many steps instead.", min=1)] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of weights and batches.  [default: 1]", min=0)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run.")] = False,
    start_from: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Fine-tune a model; 'default' is Tunesmith's own."),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(
            min=0, max=0.9, help="0 to 0.9.  [default: more, the more often tunes are seen]"
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, max=10, help="Times the usual learning rates.  [default: 1]"),
    ] = None,
    turned: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of tunes learned upside down or backwards, for a small corpus.  "
            "[default: 0]",
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda or mps.  [default: auto]")
    ] = None,
    force: Force = False,
) -> None:
    """Train a model. Ctrl-C stops cleanly; --resume goes on to the very same weights."""
    from tunesmith.api.learning import train as run

    last = run(
        corpus, out, tokens=tokens, size=size, minutes=minutes, steps=steps, seed=seed,
        resume=resume, start_from=start_from, dropout=dropout, rate=rate, turned=turned,
        device=device, force=force, log=_print_step,
    )  # fmt: skip
    if last.get("stopped"):
        _say_stopped(corpus, out, start_from)
    print(f"The model is in {out}. Compose with: tunesmith generate --model {out} --out tunes")


def _say_stopped(corpus: Path, out: Path, start_from: str | None) -> NoReturn:
    again = ["train", str(corpus), "--out", str(out), "--resume"]
    again += ["--start-from", start_from] if start_from else []
    print(f"Stopped. Go on with: tunesmith {shlex.join(again)}")
    raise typer.Exit(130)


def _print_step(record: dict[str, Any]) -> None:
    if "note" in record:
        print(record["note"], flush=True)
        return
    left = int(record["seconds_left"])
    print(
        f"step {record['step']}: train loss {record['train_loss']:.4f}, "
        f"val loss {record['val_loss']:.4f}, perplexity {record['perplexity']:.4f}, "
        f"{record['bits_per_note']:.3f} bits/note, {record['tokens_per_s']:,.0f} tokens/s, "
        f"{left // 60}:{left % 60:02} left",
        flush=True,
    )
