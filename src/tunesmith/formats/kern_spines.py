"""The spines of a Humdrum file: their paths through splits and joins, and which is the melody."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tunesmith.errors import InputError

_MOST_COLUMNS = 256
_TEXT = re.compile(r"text|silbe|lyric|vox|vers")
_MELODY_NAMES = re.compile(r"sopr|cant|melod|vox|voice|vocal|voc\b|voix|stimme", re.IGNORECASE)
_NOTE = re.compile(r"[a-gA-G]")


@dataclass(slots=True, eq=False)
class Spine:
    """One spine.

    Attributes:
        kind: its exclusive interpretation without the asterisks: 'kern', 'mxhm'.
        number: its place from the left, from 1.
        names: what instrument interpretations call it: 'soprn', '"Voice'.
        tokens: its data tokens that are not null; in **kern only those that hold a note.
    """

    kind: str
    number: int
    names: list[str] = field(default_factory=list)
    tokens: int = 0


class Column(NamedTuple):
    """A spine's path in a row: `is_main` for the leftmost of those it has split into."""

    spine: Spine
    is_main: bool


class Row(NamedTuple):
    """A line of the file: its number, its fields and the column of each."""

    line: int
    fields: list[str]
    columns: tuple[Column, ...]

    def place(self, index: int, offset: int = 0) -> str:
        """Where a field stands: 'line 12, column 3'."""
        column = sum(len(f) + 1 for f in self.fields[:index]) + offset + 1
        return f"line {self.line}, column {column}"


def parse_spines(
    lines: Sequence[str], first_line: int, remarks: Counter[str]
) -> tuple[list[Spine], list[Row]]:
    """The spines of one tune and its rows, comments left out.

    Args:
        lines: from the exclusive interpretations on.
        first_line: the number of the first of them.
        remarks: takes a count of lines passed over.

    Raises:
        InputError: where a line's fields are not as many as its spines, or the
            spine paths make no sense, with the line.
    """
    kinds = lines[0].split("\t")
    spines = [Spine(kind.lstrip("*").strip(), n) for n, kind in enumerate(kinds, 1)]
    columns = tuple(Column(spine, True) for spine in spines)
    rows: list[Row] = []
    for number, line in enumerate(lines[1:], first_line + 1):
        if not line.strip() or line.startswith("!"):
            continue
        if not columns:
            remarks["lines outside the spines passed over"] += 1
            continue
        fields = line.split("\t")
        while len(fields) > len(columns) and not fields[-1].strip():
            fields.pop()
        if len(fields) != len(columns):
            raise InputError(
                f"{_count(len(fields), 'field')} for {_count(len(columns), 'spine')}",
                where=f"line {number}",
                remedy="check its tabs",
            )
        rows.append(Row(number, fields, columns))
        if line.startswith("*"):
            columns = _after(rows[-1], spines)
        elif not line.startswith("="):
            _tally(rows[-1])
    if columns:
        remarks["spines without an end"] += len(columns)
    return spines, rows


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _tally(row: Row) -> None:
    for text, (spine, _) in zip(row.fields, row.columns, strict=True):
        if text != "." and (spine.kind != "kern" or ("r" not in text and _NOTE.search(text))):
            spine.tokens += 1


def _after(row: Row, spines: list[Spine]) -> tuple[Column, ...]:
    """The columns after a row of interpretations: spines split, join, swap, begin and end."""
    for text, (spine, _) in zip(row.fields, row.columns, strict=True):
        if text.startswith("*I") and text[2:].strip():
            spine.names.append(text[2:].strip())
    if not any(f in ("*^", "*v", "*x", "*-", "*+") or f.startswith("**") for f in row.fields):
        return row.columns
    out: list[Column] = []
    i = 0
    while i < len(row.fields):
        text, column = row.fields[i], row.columns[i]
        i += 1
        if text == "*^":
            out += [column, Column(column.spine, False)]
        elif text == "*v":
            first = i - 1
            while i < len(row.fields) and row.fields[i] == "*v":
                i += 1
            out += _joined(row.columns[first:i], row.line)
        elif text == "*x":
            if i == len(row.fields) or row.fields[i] != "*x":
                raise InputError(
                    "'*x' exchanges no two neighbours",
                    where=f"line {row.line}",
                    remedy="check its spine paths",
                )
            out += [row.columns[i], column]
            i += 1
        elif text == "*+" or text.startswith("**"):
            new = Column(Spine(text.lstrip("*").strip("+ "), len(spines) + 1), True)
            spines.append(new.spine)
            out += [column, new] if text == "*+" else [new]
        elif text != "*-":
            out.append(column)
    if len(out) > _MOST_COLUMNS:
        raise InputError(
            f"more than {_MOST_COLUMNS} spines side by side",
            where=f"line {row.line}",
            remedy="check its spine paths",
        )
    return tuple(out)


def _joined(columns: Sequence[Column], line: int) -> list[Column]:
    """Neighbouring columns joined, spine by spine."""
    out: list[Column] = []
    for column in columns:
        if out and out[-1].spine is column.spine:
            out[-1] = Column(column.spine, out[-1].is_main or column.is_main)
        else:
            out.append(column)
    if len(out) == len(columns):
        raise InputError(
            "'*v' joins no two paths of a spine",
            where=f"line {line}",
            remedy="check its spine paths",
        )
    return out


# -- which spine is the melody ---------------------------------------------------


def melody_spine(spines: Sequence[Spine], remarks: Counter[str]) -> Spine:
    """The kern spine that is the melody; others with notes are counted.

    Raises:
        InputError: if none has notes, or none stands out; it lists them.
    """
    kern = [s for s in spines if s.kind == "kern"]
    if not kern:
        kinds = ", ".join(dict.fromkeys(f"**{s.kind}" for s in spines[:8]))
        raise InputError(f"no **kern spine, only {kinds}", remedy="convert it to **kern")
    sounding = [s for s in kern if s.tokens]
    if not sounding:
        raise InputError("no notes", remedy="give a file with a melody")
    words = _words(spines)
    most = max((words.get(s.number, 0) for s in sounding), default=0)
    sung = [s for s in sounding if 2 * words.get(s.number, 0) >= most > 0]
    named = [s for s in (sung or sounding) if any(map(_MELODY_NAMES.search, s.names))]
    for candidates in (sounding, sung, named):
        if len(candidates) == 1:
            if len(sounding) > 1:
                remarks["other spines dropped"] += len(sounding) - 1
            return candidates[0]
    shown = ", ".join(f"{s.number} ({_called(s)}{s.tokens} notes)" for s in sounding[:8])
    more = f" and {len(sounding) - 8} more" if len(sounding) > 8 else ""
    raise InputError(
        f"{len(sounding)} kern spines and no sign which is the melody: {shown}{more}",
        remedy="keep the melody's spine alone, or name it *Ivox",
    )


def _called(spine: Spine) -> str:
    return f"{' '.join(spine.names[:2])}, "[:30] if spine.names else ""


def _words(spines: Sequence[Spine]) -> dict[int, int]:
    """The tokens of text to the right of each kern spine, by its number."""
    words: dict[int, int] = {}
    at = 0
    for spine in spines:
        if spine.kind == "kern":
            at = spine.number
        elif _TEXT.match(spine.kind):
            words[at] = max(words.get(at, 0), spine.tokens)
    return words
