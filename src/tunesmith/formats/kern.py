"""Humdrum **kern: reading files of one or many tunes, and writing.

Reading follows the Humdrum syntax and the **kern representation (Huron, The Humdrum
Toolkit: Reference Manual, 1994). Its choices: of several spines the melody is the
one with words, else the one named as a voice or soprano, else the only one with
notes; of a spine that splits the left path is read; the default expansion list is
followed, and where there is none the repeat signs are; more than two signs that
mean nothing reject the tune.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tunesmith.errors import InputError, TunesmithError
from tunesmith.formats.barring import assemble
from tunesmith.formats.kern_spines import melody_spine, parse_spines
from tunesmith.formats.kern_voice import Voice
from tunesmith.formats.kern_writer import dumps
from tunesmith.formats.reading import MOST_TUNES, Reading, Remarks, too_many_tunes
from tunesmith.melody import Melody

__all__ = ["dumps", "scan"]

_MOST_LINES = 200_000
"""That one tune may have."""
_LONGEST_LINE = 10_000
"""Characters of a line, comments aside; those of real scores have some hundreds."""
_TITLE = re.compile(r"!!!OTL[^:]*:(.*)")
_SEGMENT = re.compile(r"!!!!SEGMENT:(.*)")


@dataclass(slots=True)
class _Source:
    """The lines of one tune, and the number of the first; `head` lines stand before its spines."""

    name: str
    first_line: int
    lines: list[str]
    head: int


def scan(data: bytes, where: str) -> list[Reading]:
    """Read every tune of a kern file; a bad one does not lose its neighbours.

    A tune is a passage from its exclusive interpretations (`**kern`) to the end of
    its spines (`*-`). Grace notes are dropped, of a chord the top note is kept. The
    remarks of each reading count what was dropped or mended.

    Args:
        data: the file, UTF-8 or else Latin-1.
        where: its name, for the places in errors.

    Returns:
        A reading for each tune, in order; a single one with an error if there is none.
    """
    if (count := data.count(b"\n**") + data.startswith(b"**")) > MOST_TUNES:
        return [too_many_tunes(count, where)]
    lines = re.split(r"\r\n|\r|\n", _decoded(data))
    sources = _split(lines, where)
    if not sources:
        error = InputError("no **kern spine in it", where=where, remedy="check that it is Humdrum")
        return [Reading(where, error=error)]
    return [_read(source) for source in sources]


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _split(lines: list[str], where: str) -> list[_Source]:
    """The tunes of a file; records between two belong to the later, unless a segment parts them."""
    sources: list[_Source] = []
    start: int | None = 0  # where the head of the next tune begins; None within a tune
    ended, segment = False, ""
    for i, line in enumerate(lines):
        if match := _SEGMENT.match(line):
            start, ended, segment = i, False, match[1].strip()[:40]
        elif line.startswith("**"):
            first = i if start is None else start
            name = f"{where}, tune {segment or len(sources) + 1} (line {i + 1})"
            sources.append(_Source(name, first + 1, [], i - first))
            start, ended, segment = None, False, ""
        elif ended and start is None:
            start = i
        elif line.startswith("*-") and set(line.split("\t")) <= {"*-", ""}:
            ended = True
    ends = [source.first_line - 1 for source in sources[1:]] + [len(lines)]
    for source, end in zip(sources, ends, strict=False):  # no tune has one end
        source.lines = lines[source.first_line - 1 : end]
    if len(sources) == 1:
        sources[0].name = where
    return sources


def _read(source: _Source) -> Reading:
    remarks = Remarks()
    try:
        melody = _melody(source, remarks)
    except TunesmithError as e:
        error = e.at(source.name)
        return Reading(source.name, error=error, remarks=dict(remarks), places=remarks.places)
    return Reading(source.name, melody, remarks=dict(remarks), places=remarks.places)


def _melody(source: _Source, remarks: Remarks) -> Melody:
    if len(source.lines) > _MOST_LINES:
        raise InputError(
            f"a tune of {len(source.lines)} lines, and at most {_MOST_LINES} are read",
            remedy="cut it into tunes",
        )
    for number, line in enumerate(source.lines, source.first_line):
        if len(line) > _LONGEST_LINE and line[0] != "!":
            raise InputError(
                f"a line of {len(line)} characters, and at most {_LONGEST_LINE} are read",
                where=f"line {number}",
                remedy="check its line ends",
            )
    passed_over = sum(bool(s.strip()) and s[0] != "!" for s in source.lines[: source.head])
    if passed_over:
        remarks["lines outside the spines passed over"] += passed_over
    spines, rows = parse_spines(
        source.lines[source.head :], source.first_line + source.head, remarks
    )
    voice = Voice(melody_spine(spines, remarks), remarks)
    for row in rows:
        voice.take(row)
    melody, mended = assemble(
        voice.source_bars(),
        key=voice.key,
        tempo=voice.tempo,
        title=_title(source.lines),
        origin=source.name,
    )
    remarks.merge(mended)
    return voice.with_mode(melody)


def _title(lines: list[str]) -> str:
    """The first title among the reference records, '' if there is none."""
    for line in lines:
        if (match := _TITLE.match(line)) and match[1].strip():
            return match[1].strip()
    return ""
