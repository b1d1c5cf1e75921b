"""The whole path in one call: real tunes, a model trained on them, new melodies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunesmith.api.composing import Tune, generate, load_model
from tunesmith.api.learning import train
from tunesmith.api.preparing import prepare
from tunesmith.api.reporting import report
from tunesmith.api.writing import write_tunes
from tunesmith.files import refuse_overwrite, write_atomically

FORMATS = ("mid", "abc", "musicxml", "wav", "svg", "png", "letters")
TUNES = 8
BARS = 8
TOP_P = 0.92
"""A model of three minutes spreads too much of its probability over what no tune does."""


def quickstart(
    out: str | Path = "first-tunes",
    *,
    minutes: float = 3.0,
    source: str = "folk",
    seed: int = 1,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, int], None] | None = None,
    log: Callable[[dict[str, Any]], None] | None = None,
) -> list[Tune]:
    """Prepare a corpus, train the smallest model on it, compose eight melodies, and report.

    Args:
        out: a new folder: `corpus/`, `run/`, `tunes/`, `summary.md` and `report.html` go into it.
        minutes: of training.
        source: any source that `prepare` takes.
        seed: of training and generating.
        force: replace what is in `out`.
        say: told what comes next, in a line.
        progress: see `prepare`.
        log: see `train`.

    Returns:
        The tunes, which are also in `out/tunes` in every format; none if Ctrl-C stopped the
        training, which can be resumed.
    """
    out = Path(out)
    refuse_overwrite(out, force)
    say(f"1/4  Preparing the corpus '{source}'")
    prepare([source], out / "corpus", progress=progress)
    say(f"2/4  Training a model of size nano for {minutes:g} minutes")
    last = train(out / "corpus", out / "run", minutes=minutes, seed=seed, force=force, log=log)
    if last.get("stopped"):
        return []
    say(f"3/4  Composing {TUNES} melodies")
    tunes = generate(load_model(out / "run"), count=TUNES, seed=seed, bars=BARS, top_p=TOP_P)
    write_tunes(tunes, out / "tunes", FORMATS, force=force)
    say("4/4  Writing the report")
    report(out / "run", corpus=out / "corpus", out=out / "report.html", seed=seed, force=force)
    write_atomically(out / "summary.md", _summary(tunes, last, source).encode())
    return tunes


def _summary(tunes: list[Tune], last: dict[str, Any], source: str) -> str:
    rows = "\n".join(
        f"| [tune-{i:02}](tunes/tune-{i:02}.png) | {t.melody.key or '?'} | "
        f"{t.melody.meters[0]} | {len(t.melody.notes)} | {t.receipt['bits_per_note']:.2f} |"
        for i, t in enumerate(tunes, 1)
    )
    return f"""# Your first tunes

Trained on `{source}` for {last["step"]} steps: validation loss {last["val_loss"]:.4f} nats a
token, perplexity {last["perplexity"]:.4f}, {last["bits_per_note"]:.3f} bits a note. The
validation tunes were held out with all their near-duplicates.

| tune | key | metre | notes | bits a note |
|---|---|---|---|---|
{rows}

Each is in `tunes/` as MIDI, ABC, MusicXML, letters, sound (WAV) and score (SVG, PNG), with a
receipt (`.json`) from which `tunesmith generate --from-receipt` writes it again.

The analysis of this run, with strengths, weaknesses and what to do, is in
[report.html](report.html).

More from the same model:

    tunesmith generate --model run --key D --mode dorian --bars 8 --count 4 --out more

A longer training is a better one: `tunesmith train corpus --out longer --size small --minutes 30`.
"""
