"""Say what a thing is, in a screenful of text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tunesmith import formats
from tunesmith.api.preparing import corpus_table
from tunesmith.corpus import Corpus
from tunesmith.errors import InputError, printable
from tunesmith.files import json_lines
from tunesmith.keyfinding import with_estimates
from tunesmith.melody import Melody
from tunesmith.model.checkpoint import load_checkpoint
from tunesmith.theory import octave_of, spell
from tunesmith.tokens import make_vocabulary

LISTED = 20


def describe(path: str | Path, track: str = "auto") -> str:
    """What a file of music, a corpus, a run or a model is; `track` as in `formats.scan`.

    Raises:
        InputError: if it is none of these.
    """
    path = Path(path)
    if not path.is_dir():
        return _describe_file(path, track)
    if (path / "manifest.json").is_file():
        corpus = Corpus.open(path)
        return f"{path}: a corpus of {len(corpus)} tunes\n\n{corpus_table(corpus.manifest)}"
    if any((path / n).exists() for n in ("config.json", "run.json", "best", "last")):
        return _describe_model(path)
    raise InputError(
        "is a folder, but no corpus, run or model",
        where=str(path),
        remedy="make a corpus of a folder with `tunesmith prepare`",
    )


def _describe_file(path: Path, track: str) -> str:
    readings = formats.scan(path, track)
    melodies = [r.melody for r in readings if r.melody]
    lines = [f"{path}: {len(melodies)} {'tune' if len(melodies) == 1 else 'tunes'}"]
    lines += [melody_line(with_estimates(m)) for m in melodies[:LISTED]]
    if len(melodies) > LISTED:
        lines.append(f"  … and {len(melodies) - LISTED} more")
    errors = [r.error for r in readings if r.error]
    lines += [f"  left out: {e}" for e in errors[:LISTED]]
    if len(errors) > LISTED:
        lines.append(f"  … and {len(errors) - LISTED} more left out")
    lines += [f"  {detail}" for reading in readings[:LISTED] for detail in reading.details]
    remarks: Counter[str] = Counter()
    for reading in readings:
        remarks.update(reading.remarks)
    lines += [f"  {remark}: {count}" for remark, count in sorted(remarks.items())]
    return "\n".join(lines)


def melody_line(melody: Melody) -> str:
    """A melody in a line: title, key, metre, bars, notes, range, tempo."""
    low, high = (_pitch_name(melody, p) for p in (min(melody.pitches), max(melody.pitches)))
    meters = list(dict.fromkeys(str(b.meter) for b in melody.bars))
    parts = [
        str(melody.key or "key unknown") + (" (estimated)" if melody.key_is_estimated else ""),
        " ".join(meters[:4]) + (" …" if len(meters) > 4 else ""),
        f"{sum(not b.is_pickup for b in melody.bars)} bars" + (" + pickup" * bool(melody.pickup)),
        f"{len(melody.notes)} notes",
        f"{low} to {high}",
    ]
    if melody.tempo:
        parts.append(f"{melody.tempo:g} quarters a minute")
    if melody.chords:
        parts.append(f"{len(melody.chords)} chord symbols")
    return f"  {printable(melody.title) or 'untitled'}: {', '.join(parts)}"


def _pitch_name(melody: Melody, pitch: int) -> str:
    name = spell(pitch, melody.key)
    return f"{name}{octave_of(pitch, name)}"


def _describe_model(path: Path) -> str:
    model = load_checkpoint(path)
    config, provenance = model.config, model.provenance
    weights = sum(w.size for w in model.weights.values())
    lines = [
        f"{path}: a model of {weights:,} parameters, vocabulary '{model.vocabulary['kind']}'",
        f"  {config.num_hidden_layers} layers of {config.hidden_size}, "
        f"{config.num_attention_heads} heads, {config.vocab_size} tokens, "
        f"context of {config.max_position_embeddings}",
        f"  styles: {', '.join(model.vocabulary.get('styles', ())) or 'none'}",
        f"  sha256 {model.sha256}",
    ]
    for source in provenance.get("sources", ()):
        lines.append(
            f"  trained on {source['name']}: {source['tunes']} tunes, licence {source['licence']}"
        )
    lines.append(f"  licence of the weights: {provenance.get('licence', 'not stated')}")
    metrics = path / "metrics.jsonl"
    if metrics.is_file():
        scored = [r for r in json_lines(metrics) if "val_loss" in r]
        if scored:
            best = min(scored, key=lambda r: r["val_loss"])
            lines.append(
                f"  best of {scored[-1]['step']} steps: step {best['step']}, validation loss "
                f"{best['val_loss']:.4f}, perplexity {best['perplexity']:.4f}, "
                f"{best['bits_per_note']:.3f} bits a note"
            )
    return "\n".join(lines)


def tokens_in_words(path: str | Path, kind: str, track: str = "auto") -> str:
    """The tunes of a file as tokens in words, a bar a line; `track` as in `formats.scan`.

    Raises:
        InputError: if nothing in the file can be read.
    """
    vocabulary = make_vocabulary(kind)
    blocks: list[str] = []
    for melody in formats.read(Path(path), track):
        try:
            encoded = vocabulary.encode(melody)
        except InputError as e:
            raise e.at(melody.origin or str(path)) from e
        words = vocabulary.words(encoded.ids)
        lines = [""]
        for word in words:
            if word.startswith(("bar:", "pickup", "end")) and lines[-1]:
                lines.append("")
            lines[-1] += f" {word}"
        title = printable(melody.title) or "untitled"
        head = f"{title}: {len(words)} tokens, {encoded.moved} notes moved"
        blocks.append("\n".join([head, *lines]))
    return "\n\n".join(blocks)
