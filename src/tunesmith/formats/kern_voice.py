"""One spine of a kern file: from its rows to the bars of a score."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tunesmith.errors import InputError, TunesmithError
from tunesmith.formats.barring import MOST_NOTES, SourceBar, SourceNote
from tunesmith.formats.kern_spines import Row, Spine
from tunesmith.formats.kern_tokens import (
    KernNote,
    parse_barline,
    parse_chord_symbols,
    parse_expansion,
    parse_key,
    parse_meter,
    parse_note,
    parse_signature,
)
from tunesmith.formats.reading import Remarks
from tunesmith.formats.repeats import LONGEST, Marks
from tunesmith.melody import Key, Melody

_MOST_UNKNOWN = 2
"""Signs without a meaning that a tune may hold and still be trusted."""

_FINEST = 10**9  # the largest denominator of a place in a bar, so that sums stay small
_TEMPO = re.compile(r"\*MM(\d{1,4}(?:\.\d{1,9})?)")
_CHORD_SPINES = ("mxhm", "mxharm")


@dataclass(slots=True)
class _Bar:
    """A bar while it is filled."""

    meter: tuple[int, int] | None
    label: str
    line: int = 0
    length: Fraction = Fraction(0)
    notes: list[SourceNote] = field(default_factory=list)
    chords: list[tuple[Fraction, str]] = field(default_factory=list)
    starts_repeat: bool = False
    ends_repeat: bool = False
    ends_section: bool = False


class Voice:
    """Reads the rows of a file for one spine; `source_bars` gives what it holds.

    Attributes:
        key: the first key; major stands in for a mode that is not given.
        tempo: the first, in quarters a minute, or None.
    """

    def __init__(self, spine: Spine, remarks: Remarks) -> None:
        self.key: Key | None = None
        self.tempo: float | None = None
        self._spine = spine
        self._remarks = remarks
        self._signature: str | None = None
        self._designation: Key | None = None
        self._key_changed = False  # in the bar at hand
        self._meter: tuple[int, int] | None = None
        self._bars: list[_Bar] = []
        self._bar = _Bar(None, "")
        self._expansion: list[str] | None = None
        # The latest note or rest and the chord symbols in the null rows after it.
        self._onset = self._duration = Fraction(0)
        self._nulls = 0
        self._waiting: list[tuple[int, str]] = []
        self._chord_count = 0

    def take(self, row: Row) -> None:
        """Read one row.

        Raises:
            InputError: with the line and column.
        """
        own = self._own(row)
        if own is None:
            return
        try:
            if row.fields[0].startswith("*"):
                self._interpretations(row, own)
            elif row.fields[0].startswith("="):
                self._barline(row.fields[own])
            else:
                self._data(row, own)
        except TunesmithError as e:
            raise (e if e.where else e.at(row.place(own))) from None

    def _own(self, row: Row) -> int | None:
        for i, (spine, is_main) in enumerate(row.columns):
            if spine is self._spine and is_main:
                return i
        return None

    # -- interpretations ----------------------------------------------------------

    def _interpretations(self, row: Row, own: int) -> None:
        """Follow metre and section labels of the own spine; key and tempo of any."""
        text = row.fields[own]
        if re.match(r"\*M[^Me]", text):
            meter = parse_meter(text)
            if meter != self._meter:
                self._close_bar()
                self._meter = self._bar.meter = meter
        self._take_first(row, own, "*MM", self._set_tempo)
        self._take_first(row, own, "*k[", self._set_signature)
        self._take_first(row, own, "*>", self._set_section)
        for designation in (text, *row.fields):
            if key := parse_key(designation):
                self._set_key(key)
                break

    @staticmethod
    def _take_first(row: Row, own: int, start: str, action: Callable[[str], None]) -> None:
        """Act on the own field if it starts so, else on the first that does."""
        for text in (row.fields[own], *row.fields):
            if text.startswith(start):
                action(text)
                return

    def _set_tempo(self, text: str) -> None:
        match = _TEMPO.fullmatch(text)
        if not match or not 1 <= float(match[1]) <= 2000:
            self._remarks["tempo without a number passed over"] += 1
        elif self.tempo is None and not self._has_notes():
            self.tempo = float(match[1])
        elif float(match[1]) != self.tempo:
            self._remarks["tempo changes dropped"] += 1

    def _set_signature(self, text: str) -> None:
        if self._has_notes():
            if text != self._signature:
                self._note_key_change()
        else:
            sharps = parse_signature(text)
            if sharps is None:
                self._remarks["unusual key signatures dropped"] += 1
            elif not self._designation:
                self.key = Key.from_signature(sharps)
        self._signature = text

    def _set_key(self, key: Key) -> None:
        if not self._has_notes():
            self.key = self._designation = key
        elif key != self._designation:
            self._designation = key
            self._note_key_change()

    def _note_key_change(self) -> None:
        if not self._key_changed:  # signature and designation are one change
            self._remarks["key changes not kept"] += 1
        self._key_changed = True

    def _set_section(self, text: str) -> None:
        if text.startswith("*>["):
            self._expansion = parse_expansion(text)
            if self._expansion is None:
                self._remarks["order of sections not followed"] += 1
        elif "[" not in text:
            self._close_bar()
            self._bar.label = text[2:].strip()

    def _has_notes(self) -> bool:
        return bool(self._bars or self._bar.notes)

    def with_mode(self, melody: Melody) -> Melody:
        """The melody with a mode chosen for a signature that came without a key.

        Minor if the tune ends on its tonic, else major; marked as estimated.
        """
        if not self.key or self._designation:
            return melody
        minor = Key.from_signature(self.key.sharps, "minor")
        ends_minor = melody.pitches[-1] % 12 == minor.pitch_class
        return replace(melody, key=minor if ends_minor else self.key, key_is_estimated=True)

    # -- notes --------------------------------------------------------------------

    def _data(self, row: Row, own: int) -> None:
        text = row.fields[own]
        is_null = text.strip() in (".", "")
        if not text.strip():
            self._unknown(text, row.place(own))
        if is_null:
            self._nulls += 1
        else:
            self._token(text, row, own)
        for i, (spine, is_main) in enumerate(row.columns):
            if spine.kind in _CHORD_SPINES:
                self._chord_symbols(row.fields[i].strip())
            elif spine is self._spine and not is_main:
                self._other_path(row.fields[i])

    def _token(self, text: str, row: Row, own: int) -> None:
        """Read a note, rest or chord: the length of its first note, the pitch of its top one."""
        notes: list[KernNote] = []
        at = 0
        for part in text.split(" "):
            note = parse_note(part) if part else None
            for sign, offset in note.unknown if note else ():
                self._unknown(sign, row.place(own, at + offset))
            at += len(part) + 1
            if note and note.is_grace:
                self._remarks["grace notes dropped"] += 1
            elif note:
                notes.append(note)
        duration = next((n.duration for n in notes if n.duration is not None), None)
        if duration is None:
            return
        sounding = [n for n in notes if n.pitch is not None]
        self._begin(duration, row.line)
        if sounding:
            if len(sounding) > 1:
                self._remarks["notes below the top of a chord dropped"] += len(sounding) - 1
            self._note(max(sounding, key=lambda n: n.pitch or 0), duration)
        self._bar.length += duration
        if self._bar.length.denominator > _FINEST:
            raise InputError(
                "the lengths of this bar have no common measure", remedy="check its note lengths"
            )

    def _begin(self, duration: Fraction, line: int) -> None:
        self._place_waiting()
        self._onset, self._duration = self._bar.length, duration
        self._bar.line = self._bar.line or line

    def _note(self, note: KernNote, duration: Fraction) -> None:
        assert note.pitch is not None
        notes = self._bar.notes or (self._bars[-1].notes if self._bars else [])
        if notes and notes[-1].tied and not note.closes:
            notes[-1] = notes[-1]._replace(tied=False)
            self._remarks["ties that lead to no equal note"] += 1
        self._bar.notes.append(
            SourceNote(self._bar.length, duration, note.pitch, note.spelling or None, note.opens)
        )

    def _other_path(self, text: str) -> None:
        """Count the notes of another path of the spine."""
        dropped = sum("r" not in part and part != "." for part in text.split())
        if dropped:
            self._remarks["notes of other voices dropped"] += dropped

    def _unknown(self, text: str, place: str) -> None:
        """Count a sign that means nothing; too many of them reject the tune.

        Raises:
            InputError: at the first sign over the limit, with its place.
        """
        self._remarks.note("characters passed over", f"{place} ('{text[:10]}')")
        if self._remarks["characters passed over"] > _MOST_UNKNOWN:
            raise InputError(
                f"'{text[:40]}' means nothing in **kern, and it is not the first such sign",
                where=place,
                remedy="correct it, or take the file from another source",
            )

    # -- chord symbols --------------------------------------------------------------

    def _chord_symbols(self, text: str) -> None:
        if text in (".", ""):
            return
        symbols = parse_chord_symbols(text)
        if symbols is None:
            self._remarks["chord symbols not understood"] += 1
        self._waiting += [(self._nulls, symbol) for symbol in symbols or ()]
        self._chord_count += len(symbols or ())
        if self._chord_count > MOST_NOTES:
            raise InputError(f"more than {MOST_NOTES} chord symbols", remedy="cut it into tunes")

    def _place_waiting(self) -> None:
        """Give the chord symbols since the latest note their places, as it has ended.

        Null rows are taken to divide the note evenly, as Humlib does.
        """
        for step, symbol in self._waiting:
            if step and self._duration:
                self._remarks["chord symbols placed evenly within a note"] += 1
            at = self._onset + self._duration * step / (self._nulls + 1)
            self._bar.chords.append((at, symbol))
        self._waiting, self._nulls = [], 0

    # -- bars -----------------------------------------------------------------------

    def _barline(self, text: str) -> None:
        ends_repeat, starts_repeat, ends_section = parse_barline(text)
        self._close_bar()
        if self._bars:
            last = self._bars[-1]
            last.ends_repeat = last.ends_repeat or ends_repeat
            last.ends_section = last.ends_section or ends_section
        if starts_repeat:
            self._bar.starts_repeat = True

    def _close_bar(self) -> None:
        """End the bar at hand, if it has begun."""
        self._place_waiting()
        self._onset = self._duration = Fraction(0)
        if self._bar.length:
            self._bars.append(self._bar)
            self._bar = _Bar(self._meter, self._bar.label)
            self._key_changed = False
        elif self._bars:  # symbols where nothing sounds hold from the barline before
            self._bars[-1].chords += [(self._bars[-1].length, s) for _, s in self._bar.chords]
            self._bar.chords = []

    def source_bars(self) -> list[SourceBar]:
        """The bars in the order of the expansion list; without one, with their repeat signs.

        Bars without a metre get the commonest length among them as their metre.

        Raises:
            InputError: if the expansion list makes too many bars.
        """
        self._close_bar()
        missing = [bar for bar in self._bars if bar.meter is None]
        if missing:
            self._remarks["metre derived from the bars"] += 1
        meter = _commonest_meter([bar.length for bar in missing])
        order = self._in_order()
        is_expanded = order is not None
        numbers = range(len(self._bars)) if order is None else order
        sources = [
            _source_bar(bar, number, meter, is_expanded) for number, bar in enumerate(self._bars, 1)
        ]
        return [sources[i] for i in numbers]

    def _in_order(self) -> list[int] | None:
        """The bars as the expansion list orders its sections, or None if there is none."""
        if self._expansion is None:
            return None
        sections: dict[str, list[int]] = {}
        for i, bar in enumerate(self._bars):
            sections.setdefault(bar.label, []).append(i)
        if any(label not in sections for label in self._expansion):
            self._remarks["order of sections not followed"] += 1
            return None
        labels = self._expansion if "" in self._expansion else ["", *self._expansion]
        order: list[int] = []
        for label in labels:
            order += sections.get(label, [])
            if len(order) > LONGEST:
                raise InputError(
                    f"with its sections played out it has more than {LONGEST} bars",
                    remedy="check the expansion list",
                )
        return order


def _source_bar(bar: _Bar, number: int, meter: tuple[int, int], is_expanded: bool) -> SourceBar:
    marks = Marks(bar.starts_repeat, 2 * bar.ends_repeat, frozenset(), bar.ends_section)
    return SourceBar(
        place=f"line {bar.line}, bar {number}",
        meter=bar.meter or meter,
        length=bar.length,
        notes=tuple(bar.notes),
        chords=tuple(bar.chords),
        marks=Marks() if is_expanded else marks,
    )


def _commonest_meter(lengths: list[Fraction]) -> tuple[int, int]:
    """The metre of the most frequent bar length, in quarters or else in smaller values."""
    counts = Counter(lengths[1:-1] or lengths)
    # 4/4 where it is as frequent as any; else the first of the most frequent.
    quarters = max(counts, key=lambda n: (counts[n], n == 4), default=Fraction(4))
    for denominator in (4, 8, 16, 32, 64):
        units = quarters * denominator / 4
        if units.denominator == 1 and units <= 255:
            return units.numerator, denominator
    return 4, 4
