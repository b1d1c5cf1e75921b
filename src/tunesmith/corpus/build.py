"""Making a corpus: look through the sources, read, cluster, split, store."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith import __version__
from tunesmith.corpus.assemble import Build
from tunesmith.corpus.ingest import Progress, display, measure_place
from tunesmith.corpus.sources import Source, find_sources
from tunesmith.corpus.splits import SHARES, check_shares
from tunesmith.corpus.store import FILES, MANIFEST, Corpus, recover, swap_place
from tunesmith.corpus.worker import Measure, may_be_read
from tunesmith.errors import InputError, OutputError
from tunesmith.files import output_errors
from tunesmith.formats import asked_track
from tunesmith.silence import check_longest


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did.

    Attributes:
        corpus: the corpus.
        changed: False if nothing had changed and nothing was done.
    """

    corpus: Corpus
    changed: bool


def prepare(
    sources: Sequence[str | Path],
    out: str | Path,
    *,
    licence: str | None = None,
    accept_licence: bool = False,
    shares: Sequence[float] = SHARES,
    measure: Measure | None = None,
    track: str = "auto",
    longest_silence: int | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
    force: bool = False,
) -> Prepared:
    """Make a corpus of the given sources, or bring it up to date with them.

    If `out` is a corpus already, tunes that stay keep their side. The old corpus is
    replaced whole and only when the new one is complete. If neither files nor
    settings have changed, nothing is done.

    Args:
        sources: files, folders and names of corpora; these are all that the corpus holds.
        out: the corpus's folder.
        licence: of the files and folders; None for 'not stated'.
        accept_licence: for the corpora that ask for it.
        shares: of tunes for training, validation and test.
        measure: a function of an importable module, from a melody to counts, which
            are summed for each source (e.g. notes that the grid of the tokens moves).
            A tune for which it raises is rejected with that reason.
        track: which voice of polyphonic files, as in `tunesmith.formats.scan`.
        longest_silence: full bars in a row in which no note may sound; more are taken out of
            the tunes and counted, and all before the first note and after the last. 0 or more;
            None takes nothing out. See `tunesmith.silence`.
        progress: called with files read and files in all.
        workers: processes that read; None for one a core, at most 3. The corpus does
            not depend on it.
        force: do it also if nothing has changed.

    Raises:
        InputError: a source that is missing or holds no music, or no tune in all.
        MissingExtraError: a named corpus that is not installed.
        OutputError: `out` is in use for something else, cannot be written, or the disk
            is full; what was there is still there.
        UsageError: options that make no sense.
    """
    out = Path(out)
    if out.is_symlink() or out.name in ("", ".."):  # what is swapped needs a name of its own
        out = out.resolve()
    check_shares(shares)
    check_longest(longest_silence)
    settings = {
        "shares": list(shares),
        "measure": measure_place(measure),
        "track": asked_track(track),
        "longest_silence": longest_silence,
        "made_by": __version__,
    }
    found = find_sources(sources, licence=licence, accept_licence=accept_licence, exclude=out)
    old = _existing(out)
    if old and not force and _is_current(old, found, settings):
        return Prepared(old, changed=False)
    with _workplace(out) as folder:
        with output_errors(out):
            Build(found, folder, settings, old).run(measure, progress, workers)
        _swap_in(folder, out)
    return Prepared(Corpus.open(out), changed=True)


def _existing(out: Path) -> Corpus | None:
    """The corpus at `out`; None for nothing or an empty folder."""
    recover(out)
    if not out.exists():
        return None
    if not out.is_dir():
        raise OutputError("a file of this name is there", where=str(out), remedy="give another")
    with output_errors(out):
        if not any(out.iterdir()):
            return None
    if not (out / MANIFEST).exists():
        raise OutputError(
            "this folder holds other files", where=str(out), remedy="give a new or empty folder"
        )
    try:
        return Corpus.open(out)
    except InputError as e:
        remedy = "delete it if it may go, or give another --out"
        raise OutputError(e.what, where=e.where, remedy=remedy) from e


def _is_current(old: Corpus, sources: Sequence[Source], settings: Mapping[str, Any]) -> bool:
    """Whether the same files, by size and time or else content, were read with these settings."""
    manifest = old.manifest
    same = manifest["settings"] == settings and old.is_whole()
    same = same and [(s["name"], s["licence"], s["passed_over"]) for s in manifest["sources"]] == [
        (s.shown, s.licence, dict(s.passed_over)) for s in sources
    ]
    if not same:
        return False
    wanted = ((source, file) for source in sources for file in source.files)
    with (old.folder / FILES).open("rb") as lines:
        for line in lines:
            source, file = next(wanted, (None, None))
            before = json.loads(line)
            if source is None or file is None or display(source, file) != before["file"]:
                return False
            if not _is_same_file(Path(file.path), before):
                return False
    return next(wanted, None) is None


def _is_same_file(path: Path, before: dict[str, Any]) -> bool:
    try:
        status = path.stat()
        if before.get("size") != status.st_size:
            return False
        if "sha256" not in before:  # was not read: has that changed?
            return not may_be_read(status) or not os.access(path, os.R_OK)
        if before["mtime_ns"] == status.st_mtime_ns:
            return True
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == str(before["sha256"])
    except OSError:
        return "size" not in before  # it is as missing as it was


@contextlib.contextmanager
def _workplace(out: Path) -> Iterator[Path]:
    """A folder beside `out` to build in; whatever happens, it does not stay.

    What a killed process left is cleared away by the next.
    """
    with output_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        for left in out.parent.iterdir():
            match = re.fullmatch(re.escape(f".{out.name}.") + r"(\d+)\.partial", left.name)
            if match and not _is_alive(int(match[1])):
                shutil.rmtree(left)
        folder = out.parent / f".{out.name}.{os.getpid()}.partial"
        folder.mkdir()
    try:
        yield folder
    finally:
        if folder.exists():
            shutil.rmtree(folder)


def _is_alive(pid: int) -> bool:
    if pid == os.getpid():
        return False  # of an earlier call of this process, or of one that had this number
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _swap_in(folder: Path, out: Path) -> None:
    """Put the new corpus in place of the old, which stays until the new is there."""
    with output_errors(out):
        if not out.exists():
            folder.rename(out)
            return
        previous = swap_place(out)
        if previous.exists():
            shutil.rmtree(previous)
        out.rename(previous)  # from here to the next rename, `recover` would undo this one
        try:
            folder.rename(out)
        except BaseException:
            previous.rename(out)
            raise
        shutil.rmtree(previous)
