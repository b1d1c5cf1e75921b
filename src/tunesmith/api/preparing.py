"""Make a corpus of files of music, and its tunes ready for training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith import corpus as corpora
from tunesmith.corpus import Corpus, Prepared, style_of
from tunesmith.errors import InputError
from tunesmith.files import write_atomically
from tunesmith.keyfinding import with_estimates
from tunesmith.tokens import Vocabulary
from tunesmith.tokens.base import Ids
from tunesmith.tokens.notes import token_counts
from tunesmith.tokens.table import TABLE_VERSION


def prepare(
    sources: Sequence[str | Path],
    out: str | Path,
    *,
    accept_licence: bool = False,
    licence: str | None = None,
    track: str = "auto",
    longest_silence: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Make a corpus, or bring it up to date; see `tunesmith.corpus.prepare`.

    What the tokens cannot hold of the tunes is counted in the manifest.
    """
    return corpora.prepare(
        sources,
        out,
        accept_licence=accept_licence,
        licence=licence,
        measure=token_counts,
        track=track,
        longest_silence=longest_silence,
        progress=progress,
    )


def corpus_table(manifest: dict[str, Any]) -> str:
    """A corpus's manifest in words: a row a source, then what was left out or mended, and why."""
    columns = {
        "source": "source", "files": "files", "tunes": "tunes", "rejected": "rejected",
        "bridges": "bridges", "exact_duplicates": "exact dupl.", "near_duplicates": "near dupl.",
        "notes": "notes", "train": "train", "validation": "valid.", "test": "test",
        "licence": "licence",
    }  # fmt: skip
    rows = [list(columns.values())]
    details: list[str] = []
    for row in corpora.summary(manifest):
        cells = [row[c] for c in columns]
        rows.append([f"{c:,}" if isinstance(c, int) else str(c) for c in cells])
        if row["source"] == "all":
            continue
        for title, key in (
            ("rejected", "rejected_by_reason"),
            ("passed over", "passed_over"),
            ("in reading", "remarks"),
            ("by --longest-silence", "taken_out"),
            ("in tokens", "measures"),
        ):
            counts = row.get(key, {})  # an older corpus has nothing taken out
            details += [f"  {row['source']}, {title}: {k}: {n:,}" for k, n in counts.items()]
    widths = [max(len(r[i]) for r in rows) for i in range(len(columns))]
    lines = []
    for cells in rows:
        padded = [
            c.ljust(w) if i in (0, len(widths) - 1) else c.rjust(w)
            for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join([*lines, *details])


@dataclass(frozen=True)
class Tokenised:
    """A side of a corpus as ids.

    Attributes:
        ids: flat, tune after tune; memory-mapped.
        offsets: (n + 1,) where each tune begins, and the end.
        counts: tunes, exact duplicates left out, tunes no tokens can say, tunes cut.
    """

    ids: Ids
    offsets: np.ndarray[Any, np.dtype[np.int64]]
    counts: dict[str, int]


def style_names(corpus: Corpus) -> tuple[str, ...]:
    """The styles of a corpus: its sources, by name or by the last part of their path."""
    return tuple(dict.fromkeys(style_of(s["name"]) for s in corpus.manifest["sources"]))


def tokenised(corpus: Corpus, vocabulary: Vocabulary, side: str, context: int) -> Tokenised:
    """The different tunes of a side as ids, cut at a bar where longer than the context.

    They are kept in the corpus's folder and memory-mapped from there; a corpus that
    changes makes them anew. Tunes equal up to transposition are taken once.

    Args:
        corpus: the corpus.
        vocabulary: its styles should have those of `style_names` among them.
        side: 'train', 'validation' or 'test'.
        context: most ids of a tune.

    Raises:
        InputError: if the corpus is damaged.
        OutputError: if the corpus's folder cannot be written.
    """
    stem = f"{vocabulary.kind}{TABLE_VERSION}-{side}-{context}"
    if vocabulary.styles not in ((), style_names(corpus)):  # another model's, to go on with
        stem += "-" + hashlib.sha256("\0".join(vocabulary.styles).encode()).hexdigest()[:8]
    ids_path = corpus.cache_path(f"{stem}.npy")
    offsets_path = corpus.cache_path(f"{stem}-offsets.npy")
    counts_path = corpus.cache_path(f"{stem}.json")
    if not counts_path.exists():  # written last, so that it stands for all three
        counts = {"tunes": 0, "exact duplicates": 0, "no tokens": 0, "cut": 0}
        pieces: list[Ids] = []
        seen: set[str] = set()
        for tune in corpus.tunes(side):
            if tune.key in seen:
                counts["exact duplicates"] += 1
                continue
            seen.add(tune.key)
            style = tune.style
            try:
                # Pitches are told from the tonic: where no key is named, a likely one will do.
                whole = vocabulary.encode(with_estimates(tune.melody), style).ids
            except InputError:
                counts["no tokens"] += 1
                continue
            piece = vocabulary.cut(whole, context)
            counts["tunes"] += 1
            counts["cut"] += len(piece) < len(whole)
            pieces.append(piece)
        flat = np.concatenate(pieces) if pieces else np.zeros(0, np.uint16)
        offsets = np.cumsum([0, *(len(p) for p in pieces)], dtype=np.int64)
        for path, array in ((ids_path, flat), (offsets_path, offsets)):
            write_atomically(path, _npy(array))
        write_atomically(counts_path, json.dumps(counts).encode())
    counts = json.loads(counts_path.read_text("utf-8"))
    flat = np.load(ids_path, mmap_mode="r") if counts["tunes"] else np.zeros(0, np.uint16)
    return Tokenised(flat, np.load(offsets_path), counts)


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    import io

    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
