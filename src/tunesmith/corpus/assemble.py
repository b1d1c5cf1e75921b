"""The parts of a corpus, written into a folder: shards, files, rejects, manifest."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tunesmith.corpus.duplicates import Sketch, Sketches
from tunesmith.corpus.ingest import Ingest, Progress, display
from tunesmith.corpus.sources import MusicFile, Source
from tunesmith.corpus.splits import BRIDGE, SIDES, Placement, place
from tunesmith.corpus.store import (
    FILES,
    FORMAT,
    MANIFEST,
    REJECTS,
    VERSION,
    Corpus,
    sha256_of,
    tune_line,
)
from tunesmith.corpus.worker import Measure, reject
from tunesmith.errors import InputError
from tunesmith.files import write_atomically

SHARD = 5000
_MOST_REASONS = 20
_OTHER = "other reasons"
_BRIDGE_REASON = "bridge: near-duplicates on two sides of the split"


@dataclass
class _Count:
    """What is counted for a source."""

    files: int = 0
    tunes: int = 0
    notes: int = 0
    exact_duplicates: int = 0
    near_duplicates: int = 0
    bridges: int = 0
    sides: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    measures: Counter[str] = field(default_factory=Counter)
    taken_out: Counter[str] = field(default_factory=Counter)
    content: Any = field(default_factory=hashlib.sha256)

    def reject(self, reason: str) -> None:
        """Count a reject by reason, without its numbers and names, and few reasons in all."""
        reason = re.sub(r"'[^']*'", "'…'", re.sub(r"-?\d+(\.\d+)?", "N", reason))
        if reason not in self.rejected and len(self.rejected) >= _MOST_REASONS:
            reason = _OTHER
        self.rejected[reason] += 1

    def row(self, source: Source) -> dict[str, Any]:
        return {
            "name": source.shown,
            "licence": source.licence,
            "description": source.description,
            "files": self.files,
            "files_sha256": self.content.hexdigest(),
            "passed_over": dict(source.passed_over),
            "tunes": self.tunes,
            "notes": self.notes,
            **{side: self.sides[side] for side in SIDES},
            "exact_duplicates": self.exact_duplicates,
            "near_duplicates": self.near_duplicates,
            "bridges": self.bridges,
            "rejected_by_reason": dict(sorted(self.rejected.items())),
            "remarks": dict(sorted(self.remarks.items())),
            "measures": dict(sorted(self.measures.items())),
            "taken_out": dict(sorted(self.taken_out.items())),
        }


class Build:
    """One making of a corpus in an empty folder.

    Args:
        sources: what to read.
        folder: where the parts of the corpus are written.
        settings: what the corpus depends on beside its files; `shares`, `track`
            and `longest_silence` among them.
        old: the corpus that this one takes the place of, whose sides stay.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        folder: Path,
        settings: Mapping[str, Any],
        old: Corpus | None,
    ) -> None:
        self.sources = sources
        self.folder = folder
        self.settings = settings
        self.old = old
        self.counts = [_Count() for _ in sources]
        self.shards: list[dict[str, Any]] = []
        self.notes_by_side: Counter[str] = Counter()

    def run(self, measure: Measure | None, progress: Progress | None, workers: int | None) -> None:
        """Read the files into spools, then the spools twice: to cluster, and to store.

        Raises:
            InputError: if there is no tune in all.
        """
        ingest = Ingest(
            self.sources, self.folder, measure, progress, workers,
            track=self.settings["track"], longest_silence=self.settings["longest_silence"],
        )  # fmt: skip
        keys, placement = self._place(ingest)
        if not len(keys):
            raise self._no_tunes(ingest)
        self._write(ingest, keys, placement)
        ingest.discard()
        self._write_manifest(keys, placement)

    def _place(self, ingest: Ingest) -> tuple[array[int], Placement]:
        """The key of each different tune, in order of appearance, and where each goes."""
        keys, sketches = array("Q"), Sketches()
        seen: set[int] = set()
        for _, _, record, melody in ingest.records():
            if melody and record["key"] not in seen:
                seen.add(record["key"])
                keys.append(record["key"])
                hashes = np.frombuffer(base64.b64decode(record["sketch"]), dtype="<u4")
                line = np.frombuffer(base64.b64decode(record["line"]), dtype=np.uint8)
                sketches.add(Sketch(hashes.astype(np.uint32), record["runs"], line))
        del seen
        edges = array("I")  # pair after pair: a tune may have dozens
        for pair in sketches.neighbours():
            edges.extend(pair)
        del sketches
        settled = self.old.settled() if self.old else {}
        pairs = np.frombuffer(edges, dtype=np.uint32).reshape(-1, 2)
        return keys, place(keys, pairs, settled, self.settings["shares"])

    def _no_tunes(self, ingest: Ingest) -> InputError:
        rejects = (r for _, _, r, _ in ingest.records() if "reason" in r)
        first = next(rejects, None)
        files = sum(len(s.files) for s in self.sources)
        where = ", ".join(s.shown for s in self.sources)
        why = "{where}: {reason} {detail}".format(**first).strip() if first else ""
        return InputError(
            f"no tune in {files} file{'s' * (files != 1)}" + (f"; the first: {why}" if why else ""),
            where=where,
            remedy="give files that hold melodies",
        )

    def _write(self, ingest: Ingest, keys: array[int], placement: Placement) -> None:
        number_of = {key: i for i, key in enumerate(keys)}
        seen = bytearray(len(keys))
        seen_clusters: set[int] = set()
        tunes = _Shards(self.folder)
        with (
            (self.folder / FILES).open("wb") as files,
            (self.folder / REJECTS).open("wb") as rejects,
        ):
            for place_, file, record, melody in ingest.records():
                source, count = self.sources[place_], self.counts[place_]
                if "file" in record:
                    count.files += 1
                    count.remarks.update(record["remarks"])
                    state = {"file": display(source, file), **record["file"]}
                    count.content.update(_bytes(f"{file.label}\0{state.get('sha256')}\n"))
                    files.write(_json(state))
                    continue
                if not melody:
                    count.reject(record["reason"])
                    rejects.write(_reject(source, file, record))
                    continue
                i = number_of[record["key"]]
                if placement.sides[i] == BRIDGE:
                    count.bridges += 1
                    where = json.loads(melody)["origin"]
                    bridge = reject(where, record["tune"], _BRIDGE_REASON)
                    rejects.write(_reject(source, file, bridge))
                    continue
                cluster, side = placement.clusters[i], SIDES[placement.sides[i]]
                count.tunes += 1
                count.notes += record["notes"]
                count.sides[side] += 1
                count.measures.update(record["counts"])
                count.taken_out.update(record["taken_out"])
                count.exact_duplicates += seen[i]
                count.near_duplicates += not seen[i] and cluster in seen_clusters
                seen[i] = 1
                seen_clusters.add(cluster)
                self.notes_by_side[side] += record["notes"]
                head = {
                    "id": _tune_id(source, file, record["tune"]),
                    "source": source.shown,
                    "side": side,
                    "cluster": _hex(cluster),
                    "key": _hex(record["key"]),
                }
                tunes.write(tune_line(head, melody))
        self.shards = tunes.close()

    def _write_manifest(self, keys: array[int], placement: Placement) -> None:
        split: dict[str, list[str]] = {
            side: sorted(
                {
                    _hex(c)
                    for c, s in zip(placement.clusters, placement.sides, strict=True)
                    if s == i
                }
            )
            for i, side in enumerate(SIDES)
        }
        rows = [c.row(s) for s, c in zip(self.sources, self.counts, strict=True)]
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "settings": self.settings,
            "fingerprint": sha256_of(_json([s["sha256"] for s in self.shards])),
            "tunes": sum(r["tunes"] for r in rows),
            "notes": sum(r["notes"] for r in rows),
            "sides": {
                side: {
                    "tunes": sum(r[side] for r in rows),
                    "clusters": len(split[side]),
                    "notes": self.notes_by_side[side],
                }
                for side in SIDES
            },
            "sources": rows,
            "shards": self.shards,
            "beside": {n: (self.folder / n).stat().st_size for n in (FILES, REJECTS)},
            "split": {"sha256": sha256_of(_json(split)), "clusters": split},
        }
        text = json.dumps(manifest, indent=1) + "\n"
        write_atomically(self.folder / MANIFEST, text.encode())


def _json(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"


def _hex(key: int) -> str:
    return f"{key:016x}"


def _tune_id(source: Source, file: MusicFile, number: int) -> str:
    text = f"{source.name}\0{file.label}\0{number}"
    return hashlib.blake2b(_bytes(text), digest_size=6).hexdigest()


def _bytes(text: str) -> bytes:
    """A text to be hashed; file names in it need not be UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def _reject(source: Source, file: MusicFile, record: dict[str, Any]) -> bytes:
    return _json({"source": source.shown, "file": display(source, file), **record})


class _Shards:
    """Writes tunes into shards of `SHARD` lines."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None
        self._shards: list[dict[str, Any]] = []
        self._digest = hashlib.sha256()

    def write(self, line: bytes) -> None:
        if self._file is None or self._shards[-1]["tunes"] == SHARD:
            self._finish()
            name = f"tunes-{len(self._shards):05d}.jsonl"
            self._file = (self._folder / name).open("wb")
            self._shards.append({"file": name, "tunes": 0, "bytes": 0, "sha256": ""})
            self._digest = hashlib.sha256()
        self._file.write(line)
        self._digest.update(line)
        self._shards[-1]["tunes"] += 1
        self._shards[-1]["bytes"] += len(line)

    def close(self) -> list[dict[str, Any]]:
        self._finish()
        return self._shards

    def _finish(self) -> None:
        if self._file:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._shards[-1]["sha256"] = self._digest.hexdigest()
