"""ABC: reading files of many tunes, and writing.

Reading follows the standard 2.1 (Walshaw, 2011) and is liberal where old
collections are: hyphens that are slurs, `!` at line ends, bars broken by a line.
Its choices: an accidental holds to the next written barline, in all octaves (the
standard's default, and what abc2midi does); a line end is a barline too, unless
the line ends with a backslash, and what it parts is joined again where the parts
fill one bar; an empty line ends a tune; more than two signs that mean nothing
reject it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from tunesmith.errors import InputError, TunesmithError
from tunesmith.formats.abc_fields import (
    KeyField,
    is_clef,
    parse_key,
    parse_meter,
    parse_tempo,
    parse_unit,
)
from tunesmith.formats.abc_fields import unit_for as _unit_for
from tunesmith.formats.abc_tokens import tokens
from tunesmith.formats.abc_voice import Voice
from tunesmith.formats.abc_writer import dumps
from tunesmith.formats.barring import assemble
from tunesmith.formats.reading import MOST_TUNES, Reading, Remarks, text_lines, too_many_tunes

__all__ = ["dumps", "scan"]

_FIELD = re.compile(r"([A-Za-z]):(?![|:\]])(.*)")
_MAIL = re.compile(r"=20\s*$|=3D|=\s*$")
"""What 'quoted-printable' mail leaves behind."""
_COMMENT = re.compile(r"(?<!\\)%.*")
_LONGEST_TUNE = 500_000
"""Characters that the text of one tune may have."""
_MOST_VOICES = 64
_MOST_UNKNOWN = 2
"""Signs without a meaning that a tune may hold and still be trusted."""


@dataclass(frozen=True, slots=True)
class _Source:
    """The lines of one tune, and the number of the first."""

    name: str
    first_line: int
    lines: list[str]


def scan(data: bytes, where: str) -> list[Reading]:
    """Read every tune of an ABC file; a bad one does not lose its neighbours.

    Repeats are played out once, grace notes dropped, of a chord the top note
    kept, of several voices the first that has notes. The remarks of each reading
    count what was dropped or mended.

    Args:
        data: the file, UTF-8 or else Latin-1.
        where: its name, for the places in errors.

    Returns:
        A reading for each tune, in order; a single one with an error if there is none.
    """
    return list(stream(data, where))


def stream(data: bytes, where: str) -> Iterator[Reading]:
    """As `scan`, one tune after another."""
    if (count := data.count(b"\nX:") + data.startswith(b"X:")) > MOST_TUNES:
        yield too_many_tunes(count, where)
        return
    header, sources = [], 0
    for first_line, lines in _tunes(data):
        if not lines[0].startswith("X:"):  # what stands before the first tune
            header = lines
            continue
        sources += 1
        yield _read(_source(where, first_line, lines, sources), header)
    if sources:
        return
    if any(line.startswith("K:") for line in header):  # one tune without its X:
        yield _read(_source(where, 1, header, 1), [])
    else:
        error = InputError("no ABC tune in it", where=where, remedy="a tune starts with a line X:1")
        yield Reading(where, error=error)


def _tunes(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The file cut before each X:, with the number of each piece's first line; none is empty."""
    piece: list[str] = []
    first_line = 1
    for number, line in enumerate(text_lines(data), 1):
        if line.startswith("X:") and piece:
            yield first_line, piece
            piece, first_line = [], number
        piece.append(line)
    yield first_line, piece


def _source(where: str, first_line: int, lines: list[str], place: int) -> _Source:
    number = lines[0][2:].partition("%")[0].strip()[:20] or str(place)
    return _Source(f"{where}, tune {number} (line {first_line})", first_line, lines)


def _read(source: _Source, file_header: list[str]) -> Reading:
    tune = _Tune(source)
    try:
        if (size := sum(map(len, source.lines))) > _LONGEST_TUNE:
            raise InputError(
                f"a tune of {size} characters, and at most {_LONGEST_TUNE} are read",
                remedy="cut it into tunes",
            )
        tune.read_header(file_header)
        tune.read_lines()
        bars = tune.voice_with_notes().source_bars()
        melody, mended = assemble(
            bars,
            key=tune.key.key if tune.key else None,
            tempo=tune.tempo,
            title=tune.title,
            origin=source.name,
        )
    except TunesmithError as e:
        return Reading(
            source.name,
            error=e.at(source.name),
            remarks=dict(tune.remarks),
            places=tune.remarks.places,
        )
    tune.remarks.merge(mended)
    return Reading(source.name, melody, remarks=dict(tune.remarks), places=tune.remarks.places)


class _Tune:
    """The state of one tune while its lines are read."""

    def __init__(self, source: _Source) -> None:
        self.source = source
        self.remarks = Remarks()
        self.defined = ""
        self.title = ""
        self.tempo: float | None = None
        self.key: KeyField | None = None
        self.meter: tuple[int, int] | None = None
        self.unit: Fraction | None = None
        self.tempo_text = ""
        self.tempo_unit: Fraction | None = None  # as the music itself says it
        self.voices: dict[str, Voice] = {}
        self.voice: Voice | None = None

    def read_header(self, lines: list[str]) -> None:
        """Take metre, unit and tempo from the lines before the file's first tune."""
        for line in lines:
            match = _FIELD.match(_COMMENT.sub("", line))
            if match and match[1] in "MLQ":
                self._header_field(match[1], match[2].strip())

    def read_lines(self) -> None:
        """Read the tune's own lines, header and music."""
        ended = False
        for number, line in enumerate(self.source.lines, self.source.first_line):
            if ended:
                if _COMMENT.sub("", line).strip():
                    self.remarks.note(
                        "lines after the end of the tune passed over", f"line {number}"
                    )
                continue
            if self.voice and not line.strip():
                ended = True
                continue
            try:
                self._read_line(line, number)
            except TunesmithError as e:
                raise (e if e.where else e.at(f"line {number}")) from None
        if not self.voice:
            raise InputError("no K: field, so no music", remedy="end its header with K:")

    def voice_with_notes(self) -> Voice:
        """The first voice that has notes; those of the others are counted."""
        voices = [v for v in self.voices.values() if v.note_count]
        if not voices:
            raise InputError("no notes", remedy="write notes after its K: field")
        others = sum(v.note_count for v in voices[1:])
        if others:
            self.remarks["notes of other voices dropped"] += others
        return voices[0]

    def _read_line(self, line: str, number: int) -> None:
        if line.startswith(("%", "+:")):
            return
        match = _FIELD.match(line)
        if match:
            text = _COMMENT.sub("", match[2]).strip()
            if self.voice:
                self._body_field(match[1], text)
            else:
                self._header_field(match[1], text)
        elif self.voice:
            self._read_music(line, number)
        elif _COMMENT.sub("", line).strip():
            self.remarks.note("header lines passed over", f"line {number}")

    def _read_music(self, line: str, number: int) -> None:
        """Read one line of music; a voice may be switched within it."""
        if "=" in line and _MAIL.search(line):
            self.remarks.note("remains of mail encoding mended", f"line {number}")
            line = _MAIL.sub(lambda m: "=" if m[0] == "=3D" else " ", line)
        continued = False
        for token in tokens(line):
            assert self.voice
            try:
                if token.kind == "field":
                    self._body_field(token.match["name"], token.match["value"].strip())
                elif token.kind == "continued":
                    continued = True
                else:
                    self.voice.take(token, number)
            except TunesmithError as e:
                place = f"line {number}, column {token.column}"
                raise (e if e.where else e.at(place)) from None
        if self.voice and not continued:
            self.voice.end_line()

    def _header_field(self, name: str, text: str) -> None:
        if name == "T" and not self.title:
            self.title = text.replace(r"\%", "%")
        elif name == "M":
            self.meter = parse_meter(text)
        elif name == "L":
            self.unit = parse_unit(text)
        elif name == "Q":
            self.tempo_text = text
        elif name == "U":
            self.defined += text[:1]
        elif name == "P" and len(text) > 1:
            self.remarks["order of parts not followed"] += 1
        elif name == "K":
            self.key = parse_key(text)
            self._start_music()

    def _start_music(self) -> None:
        assert self.key
        self.unit = self.unit or _unit_for(self.meter)
        if self.tempo_text:
            self._set_tempo(self.tempo_text)
        self._note_shift(self.key)
        self._switch_to("")

    def _set_tempo(self, text: str) -> None:
        """Take the first tempo, if it stands before the first note; others are changes."""
        unit = self.tempo_unit or self.unit
        assert unit
        if self.tempo is not None or any(v.note_count for v in self.voices.values()):
            self.remarks["tempo changes dropped"] += 1
            return
        self.tempo = parse_tempo(text, unit)
        if self.tempo is None:
            self.remarks["tempo without a number passed over"] += 1

    def _note_shift(self, key: KeyField) -> None:
        if key.shifts:
            self.remarks["octave or transposition of a K: field not followed"] += 1

    def _switch_to(self, name: str) -> None:
        assert self.key and self.unit
        if name not in self.voices:
            if len(self.voices) > _MOST_VOICES:
                raise InputError(f"more than {_MOST_VOICES} voices", remedy="keep the melody's")
            self.voices[name] = Voice(self, self.key, self.meter, self.unit)
        self.voice = self.voices[name]

    def _body_field(self, name: str, text: str) -> None:
        """Follow a field among the music, on a line of its own or inline."""
        assert self.voice
        if name == "M":
            self.voice.set_meter(parse_meter(text))
        elif name == "L":
            self.tempo_unit = parse_unit(text)
            self.voice.set_unit(self.tempo_unit)
        elif name == "K":
            key = parse_key(text)
            self._note_shift(key)
            if is_clef(text):
                return
            self.voice.set_key(key)
            if self.key and key.key != self.key.key:
                self.remarks["key changes not kept"] += 1
        elif name == "V":
            self._switch_to(text.split()[0] if text else "")
        elif name == "Q":
            self._set_tempo(text)
        elif name == "U":
            self.defined += text[:1]

    def unknown_sign(self, text: str, line: int, column: int) -> None:
        """Count a sign that means nothing; too many of them reject the tune.

        Raises:
            InputError: at the first sign over the limit, with its place.
        """
        self.remarks.note("characters passed over", f"line {line}, column {column} ('{text[:10]}')")
        if self.remarks["characters passed over"] > _MOST_UNKNOWN:
            raise InputError(
                f"'{text[:20]}' means nothing in ABC, and it is not the first such sign",
                where=f"line {line}, column {column}",
                remedy="take it out, or mend what stands around it",
            )
