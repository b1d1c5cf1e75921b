"""The process that reads files of music, one after another, for `ingest`.

It is told of each file by a line of JSON on its standard input, writes what it read
to its spool file and answers with a line of JSON: where in the spool that stands.

In the spool, a line is a record in JSON; for a tune, a tab and the melody follow.
The records of a file are its tunes and rejects in order, and one for the file itself.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import os
import signal
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from tunesmith import formats
from tunesmith.corpus.duplicates import content_key, sketch
from tunesmith.errors import TunesmithError
from tunesmith.formats import Reading
from tunesmith.melody import Melody
from tunesmith.silence import without_long_silence

Measure = Callable[[Melody], Mapping[str, int]]

READER_FAILED = "reader failed"
SILENT_BARS = "silent bars taken out"
SILENT_TUNES = "tunes with silent bars taken out"


def work() -> None:
    """Read files until the standard input ends.

    The first line names the spool file, the track to take, the longest silence and, if any,
    the function that measures.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not look like an answer
    setup = json.loads(sys.stdin.readline())
    measure = find_measure(setup["measure"]) if setup["measure"] else None
    with Path(setup["spool"]).open("wb") as spool:
        _answer(answers, {"ready": True})
        for line in sys.stdin:
            job = json.loads(line)
            start = spool.tell()
            records = read_file(
                job["path"], job["display"], measure, setup["track"], setup["longest_silence"]
            )
            try:
                _write_all(spool, records)
            except OSError as e:  # a file that cannot be read never gets here
                _answer(answers, {"errno": e.errno, "text": e.strerror or str(e)})
                return
            _answer(answers, {"start": start, "end": spool.tell()})


def _answer(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _write_all(spool: BinaryIO, records: Iterator[bytes]) -> None:
    for record in records:
        spool.write(record)
    spool.flush()


def find_measure(place: list[str]) -> Measure:
    """The function of that module and name."""
    found: Any = importlib.import_module(place[0])
    for part in place[1].split("."):
        found = getattr(found, part)
    measure: Measure = found
    return measure


def read_file(
    path: str,
    display: str,
    measure: Measure | None,
    track: str = "auto",
    longest_silence: int | None = None,
) -> Iterator[bytes]:
    """The records of a file; no trouble with it is ever an exception.

    Args:
        path: where to open it.
        display: how to call it.
        measure: gives the counts to be summed, as in `prepare`.
        track: as in `prepare`.
        longest_silence: as in `prepare`.
    """
    remarks: Counter[str] = Counter()
    state: dict[str, Any] = {}
    try:
        status = Path(path).stat()
        state = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        if may_be_read(status):
            with Path(path).open("rb") as file:
                state["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
        for number, reading in enumerate(_scan(path, track), 1):
            remarks.update(reading.remarks)
            yield _record(reading, number, path, display, measure, longest_silence)
    except Exception as e:  # the whole file, or what is left of it
        yield _reject(e, path, display, display, None)
    yield _line({"file": state, "remarks": dict(remarks)})


def may_be_read(status: os.stat_result) -> bool:
    """Whether `formats` opens such a file; a pipe or a device might never end."""
    return stat.S_ISREG(status.st_mode) and status.st_size <= formats.LARGEST


def _scan(path: str, track: str) -> Iterable[Reading]:
    return formats.stream(path, track)


def _record(
    reading: Reading,
    number: int,
    path: str,
    display: str,
    measure: Measure | None,
    longest_silence: int | None,
) -> bytes:
    tail = _tail(reading.where, path)
    try:
        return _tune(reading.need(), display + tail, number, measure, longest_silence)
    except Exception as e:
        return _reject(e, path, display, display + tail, number if tail else None)


def _tail(where: str, path: str) -> str:
    """What a reading's place says beyond the file: ', tune 12 (line 240)'."""
    for name in (path, Path(path).name):
        if where.startswith(name):
            return where[len(name) :]
    return f", {where}" if where else ""


def _tune(
    melody: Melody, where: str, number: int, measure: Measure | None, longest_silence: int | None
) -> bytes:
    taken_out = 0
    if longest_silence is not None:
        melody, taken_out = without_long_silence(melody, longest_silence)
    counts = dict(measure(melody)) if measure else {}
    drawn = sketch(melody)
    data = melody.to_dict()
    data["origin"] = where
    record = {
        "tune": number,
        "key": content_key(melody),
        "notes": len(melody.notes),
        "sketch": base64.b64encode(drawn.hashes.astype("<u4").tobytes()).decode("ascii"),
        "runs": drawn.runs,
        "line": base64.b64encode(drawn.line.tobytes()).decode("ascii"),
        "counts": counts,
        "taken_out": {SILENT_BARS: taken_out, SILENT_TUNES: 1} if taken_out else {},
    }
    return _line(record)[:-1] + b"\t" + _line(data)


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode("ascii") + b"\n"


def _reject(e: Exception, path: str, display: str, where: str, number: int | None) -> bytes:
    """The record of a tune or file that was not taken; a bug of ours is named so."""
    if isinstance(e, TunesmithError):
        if e.where.startswith((path, Path(path).name)):
            where = display + _tail(e.where, path)
        elif e.where and e.where not in where:
            where = f"{where}, {e.where}"
        record = reject(where, number, e.what, remedy=e.remedy)
    elif isinstance(e, OSError) and e.errno is not None:
        remedy = "check that it is there and may be read"
        record = reject(where, number, f"cannot be read ({e.strerror})", remedy=remedy)
    else:
        remedy = "this is a bug of Tunesmith; please report it with the file"
        detail = f"{type(e).__name__}: {e}"[:500]
        record = reject(where, number, READER_FAILED, detail=detail, remedy=remedy)
    return _line(record)


def reject(
    where: str, tune: int | None, reason: str, *, detail: str = "", remedy: str = ""
) -> dict[str, Any]:
    """A reject as data. `tune` is its place in the file, from 1; None for the whole file."""
    return {"tune": tune, "where": where, "reason": reason, "detail": detail, "remedy": remedy}
