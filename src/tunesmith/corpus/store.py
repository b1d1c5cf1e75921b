"""A corpus on disk, and reading it.

A corpus is a folder:

    manifest.json       sources, licences, counts, the split; see `build.prepare`
    tunes-00000.jsonl   tunes, 5,000 a shard: id, source, side, cluster, key, melody
    files.jsonl         each file that was read: size, time, SHA-256
    rejects.jsonl       each tune or file that was not taken, and why
    cache-*             what others keep beside it, e.g. token ids; gone when it changes
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.corpus.splits import SIDES
from tunesmith.errors import InputError, UsageError
from tunesmith.melody import Melody

FORMAT = "tunesmith-corpus"
VERSION = 1
MANIFEST = "manifest.json"
FILES = "files.jsonl"
REJECTS = "rejects.jsonl"
_MELODY = b',"melody":'


@dataclass(frozen=True, slots=True)
class Tune:
    """A tune of a corpus.

    Attributes:
        id: 12 hexadecimal digits, from the source, file and place in the file.
        source: the source's name, as given to `prepare`.
        side: 'train', 'validation' or 'test'.
        cluster: 16 hexadecimal digits, the same for near-duplicates.
        key: 16 hexadecimal digits, the same for equal notes up to transposition.
        melody: the tune itself.
    """

    id: str
    source: str
    side: str
    cluster: str
    key: str
    melody: Melody

    @property
    def style(self) -> str:
        """As `style_of` its source."""
        return style_of(self.source)


def style_of(source: str) -> str:
    """The style of a source's tunes: its name, or the last part of its path."""
    return Path(source).stem or source


def tune_line(head: dict[str, Any], melody: bytes) -> bytes:
    """The line of a tune in a shard; the melody, which is long, comes last."""
    return json.dumps(head, separators=(",", ":")).encode()[:-1] + _MELODY + melody + b"}\n"


def swap_place(folder: Path) -> Path:
    """Where the old corpus is while a new one takes its place."""
    return folder.parent / f".{folder.name}.previous"


class Corpus:
    """A corpus that `prepare` made.

    Attributes:
        folder: where it is.
        manifest: its `manifest.json`.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def open(cls, folder: str | Path) -> Corpus:
        """Open the corpus in a folder.

        Raises:
            InputError: there is none, it is damaged or of another version.
        """
        folder = Path(folder)
        recover(folder)
        path = folder / MANIFEST
        again = "make it with: tunesmith prepare SOURCE --out " + str(folder)
        if not folder.exists():
            raise InputError("no such corpus", where=str(folder), remedy=again)
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as e:
            raise InputError(
                f"no corpus (there is no {MANIFEST} in it)", where=str(folder), remedy=again
            ) from e
        except NotADirectoryError as e:
            raise InputError("a file, not a corpus", where=str(folder), remedy=again) from e
        except OSError as e:
            raise InputError(f"cannot be read ({e.strerror})", where=str(path)) from e
        except ValueError as e:
            raise InputError("damaged", where=str(path), remedy=again) from e
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise InputError("not the manifest of a corpus", where=str(path), remedy=again)
        if manifest["version"] != VERSION:
            raise InputError(
                f"made by another version of Tunesmith (format {manifest['version']})",
                where=str(folder),
                remedy="prepare it again",
            )
        return cls(folder, manifest)

    def __len__(self) -> int:
        tunes: int = self.manifest["tunes"]
        return tunes

    def __repr__(self) -> str:
        return f"<Corpus {self.folder}, {len(self)} tunes>"

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that change with any tune or its side."""
        fingerprint: str = self.manifest["fingerprint"]
        return fingerprint

    def cache_path(self, name: str) -> Path:
        """Where a cache called `name` belongs: a file or folder inside the corpus.

        The path changes with the corpus, whose renewal deletes it. A name that says
        all that the cache depends on (vocabulary, version) is up to the caller.
        """
        return self.folder / f"cache-{self.fingerprint[:16]}-{name}"

    def count(self, side: str | None = None) -> int:
        """Tunes on a side, or on all."""
        if side is None:
            return len(self)
        count: int = self.manifest["sides"][_checked(side)]["tunes"]
        return count

    def melodies(self, side: str | None = None) -> Iterator[Melody]:
        """The melodies of a side, or of all, in the order of the sources; one at a time."""
        return (tune.melody for tune in self.tunes(side))

    def tunes(self, side: str | None = None) -> Iterator[Tune]:
        """The tunes of a side, or of all, in the order of the sources; one at a time.

        Raises:
            UsageError: if there is no such side.
            InputError: if a shard is damaged.
        """
        if side is not None:
            _checked(side)
        return self._tunes(side)

    def _tunes(self, side: str | None) -> Iterator[Tune]:
        for shard, number, head, data in self._lines():
            if side is None or head["side"] == side:
                try:
                    yield Tune(**head, melody=Melody.from_dict(json.loads(data)))
                except (ValueError, TypeError, InputError) as e:
                    raise _damaged(self.folder / shard, number) from e

    def _lines(self) -> Iterator[tuple[str, int, dict[str, Any], bytes]]:
        """Shard, line, what stands before the melody, and the melody as JSON."""
        for shard in self.manifest["shards"]:
            path = self.folder / shard["file"]
            number = 0
            try:
                with path.open("rb") as file:
                    for number, line in enumerate(file, 1):
                        head, found, melody = line.partition(_MELODY)
                        if not found or not line.endswith(b"}\n"):
                            raise _damaged(path, number)
                        yield shard["file"], number, json.loads(head + b"}"), melody[:-2]
            except (OSError, ValueError) as e:
                raise _damaged(path, number) from e
            if number != shard["tunes"]:
                raise _damaged(path, number)

    def settled(self) -> dict[int, int]:
        """By key, the place in `SIDES` of the side that each tune has.

        Where shards are missing, that of the tune that stands for each cluster, which
        the manifest has; the others of the cluster touch it and follow it.
        """
        clusters = self.manifest["split"]["clusters"]
        sides = {int(key, 16): i for i, side in enumerate(SIDES) for key in clusters[side]}
        if self.is_whole():
            for _, _, head, _ in self._lines():
                sides[int(head["key"], 16)] = SIDES.index(head["side"])
        return sides

    def is_whole(self) -> bool:
        """Whether all its files are there, in full length."""
        parts = [(s["file"], s["bytes"]) for s in self.manifest["shards"]]
        parts += self.manifest["beside"].items()
        paths = ((self.folder / name, size) for name, size in parts)
        return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def _checked(side: str) -> str:
    if side not in SIDES:
        raise UsageError(f"'{side}' is no side", remedy=f"use {', '.join(SIDES)}")
    return side


def _damaged(path: Path, line: int) -> InputError:
    return InputError(
        "damaged", where=f"{path}, line {line}", remedy="prepare the corpus again, in a new folder"
    )


def recover(folder: Path) -> None:
    """Put a corpus back whose renewal was killed between its two renames."""
    previous = swap_place(folder)
    if not folder.exists() and (previous / MANIFEST).is_file():
        previous.rename(folder)


def sha256_of(text: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(text).hexdigest()


def summary(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each source and, if there are several, one for all, to be printed as a table.

    Keys: source, files, tunes, rejected, bridges, exact_duplicates, near_duplicates,
    notes, measures (a dict, as summed), train, validation, test, licence, and
    rejected_by_reason, passed_over, remarks, taken_out (dicts).
    """
    rows = []
    for source in manifest["sources"]:
        row = {k: v for k, v in source.items() if k not in ("name", "description", "files_sha256")}
        row.update(source=source["name"], rejected=sum(source["rejected_by_reason"].values()))
        rows.append(row)
    if len(rows) > 1:
        total: dict[str, Any] = {}
        for row in rows:
            for key, value in row.items():
                if isinstance(value, int):
                    total[key] = total.get(key, 0) + value
                elif isinstance(value, dict):
                    into = total.setdefault(key, {})
                    for k, v in value.items():
                        into[k] = into.get(k, 0) + v
        rows.append({**total, "source": "all", "licence": ""})
    return rows
