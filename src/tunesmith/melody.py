"""`Melody`, the one type in the middle: everything reads into it and writes from it.

Time is in integer ticks, 480 a quarter note. Pitch is a MIDI number, 60 = C4.
All types are frozen and checked when made, so a `Melody` that exists is sound:
its notes are in order and do not overlap, and its bars follow from its metres.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from tunesmith.errors import InputError, UsageError

TICKS_PER_QUARTER = 480
WHOLE = 4 * TICKS_PER_QUARTER

LONGEST = 40_000 * TICKS_PER_QUARTER
"""Ticks that a melody may last: some five hours."""

MOST_BARS = 20_000
"""Bars that a melody may have."""

MODES = ("major", "minor", "dorian", "phrygian", "lydian", "mixolydian", "locrian")
"""The diatonic modes; 'minor' is the natural minor (aeolian) by signature."""

_FIFTHS_ABOVE_MAJOR = {
    "major": 0, "minor": -3, "dorian": -2, "phrygian": -4,
    "lydian": 1, "mixolydian": -1, "locrian": -5,
}  # fmt: skip
_STEP_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
_STEP_PITCH = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NAME = re.compile(r"([A-G])(##|#|bb|b|)")


def _fifths(name: str) -> int:
    """Place of a note name on the line of fifths: F = -1, C = 0, G = 1, Bb = -2, F# = 6."""
    match = _NAME.fullmatch(name)
    if not match:
        raise InputError(f"'{name}' is no note name", remedy="write it as C, F# or Eb")
    accidental = match[2]
    return _STEP_FIFTHS[match[1]] + 7 * (accidental.count("#") - accidental.count("b"))


def name_at_fifths(fifths: int) -> str:
    """The note name at a place on the line of fifths: 0 = C, 6 = F#, -2 = Bb.

    Args:
        fifths: -15 (Fbb) to 19 (B##).
    """
    accidental, place = divmod(fifths + 1, 7)
    step = "FCGDAEB"[place]
    return step + ("#" * accidental if accidental >= 0 else "b" * -accidental)


def pitch_class(name: str) -> int:
    """The pitch class of a note name, 0 (C) to 11 (B)."""
    return _fifths(name) * 7 % 12


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic and a mode.

    Attributes:
        tonic: a note name: 'C', 'F#', 'Eb'.
        mode: one of `MODES`.
    """

    tonic: str
    mode: str = "major"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(
                f"'{self.mode}' is no mode known here", remedy=f"use one of {', '.join(MODES)}"
            )
        _fifths(self.tonic)

    @property
    def sharps(self) -> int:
        """Sharps in the signature, flats negative: D major 2, D dorian 0, F minor -4."""
        return _fifths(self.tonic) + _FIFTHS_ABOVE_MAJOR[self.mode]

    @property
    def pitch_class(self) -> int:
        """The pitch class of the tonic, 0 to 11."""
        return pitch_class(self.tonic)

    @classmethod
    def from_signature(cls, sharps: int, mode: str = "major") -> Key:
        """The key of a mode whose signature has that many sharps (flats negative)."""
        if mode not in MODES:
            raise InputError(f"'{mode}' is no mode known here")
        return cls(name_at_fifths(sharps - _FIFTHS_ABOVE_MAJOR[mode]), mode)

    @classmethod
    def from_pitch_class(cls, number: int, mode: str = "major") -> Key:
        """The key on a pitch class, spelled so that its signature is the smallest.

        A tie (six sharps or six flats) goes to the flats.
        """
        tonics = [name_at_fifths(f) for f in range(-8, 12) if f * 7 % 12 == number % 12]
        return min((cls(t, mode) for t in tonics), key=lambda k: (abs(k.sharps), k.sharps))

    def transpose(self, semitones: int) -> Key:
        """The same mode that many semitones higher, with the smallest signature."""
        if semitones % 12 == 0:
            return self
        return Key.from_pitch_class(self.pitch_class + semitones, self.mode)

    def __str__(self) -> str:
        return f"{self.tonic} {self.mode}"


@dataclass(frozen=True, slots=True)
class Meter:
    """A metre from a tick on.

    Attributes:
        tick: where it begins; a barline.
        numerator: 1 or more.
        denominator: a power of two, 1 to 64.
    """

    tick: int
    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if not 1 <= self.numerator <= 255:
            raise InputError(f"a metre of {self} has no sense")
        if self.denominator not in (1, 2, 4, 8, 16, 32, 64):
            raise InputError(f"the metre {self} has no power of two below the line")

    @property
    def bar_ticks(self) -> int:
        """Length of a bar in ticks."""
        return WHOLE * self.numerator // self.denominator

    @property
    def beat_ticks(self) -> int:
        """Length of a beat in ticks: three of the lower number in 6/8, 9/8 and the like."""
        unit = WHOLE // self.denominator
        compound = self.denominator >= 8 and self.numerator % 3 == 0 and self.numerator > 3
        return 3 * unit if compound else unit

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"


@dataclass(frozen=True, slots=True)
class Note:
    """A sounding note.

    Attributes:
        onset: ticks from the start of the melody, 0 or more.
        duration: ticks, 1 or more. Tied notes are one note.
        pitch: MIDI number, 0 to 127, 60 = C4.
        spelling: the name the source gave ('Eb'), without octave, or None.
            It does not count in comparisons.
    """

    onset: int
    duration: int
    pitch: int
    spelling: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.onset < 0 or self.duration < 1:
            raise InputError(f"a note of {self.duration} ticks at tick {self.onset}")
        if not 0 <= self.pitch <= 127:
            raise InputError(f"pitch {self.pitch} is outside 0 to 127")

    @property
    def end(self) -> int:
        """The tick at which the note has ended."""
        return self.onset + self.duration


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord symbol.

    Attributes:
        tick: where it begins to hold.
        symbol: as written in lead sheets: 'C', 'Dm7', 'F#maj7', 'G7/B', 'N.C.'.
    """

    tick: int
    symbol: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a melody.

    Attributes:
        index: 0-based place among the bars; a pickup is bar 0.
        start, end: ticks, end exclusive. The last bar ends where its metre says,
            even if the melody's last note ends before.
        meter: the metre that holds in it.
        is_pickup: whether it is the short bar before the first full one.
    """

    index: int
    start: int
    end: int
    meter: Meter
    is_pickup: bool = False

    @property
    def length(self) -> int:
        """Ticks in the bar."""
        return self.end - self.start


def check_length(ticks: int) -> None:
    """Raise an `InputError` for a melody of more than `LONGEST` ticks."""
    if ticks > LONGEST:
        raise InputError(
            f"it lasts {ticks // TICKS_PER_QUARTER} quarters, and at most "
            f"{LONGEST // TICKS_PER_QUARTER} are taken",
            remedy="cut it into tunes",
        )


def _check_types(values: Iterable[object], *types: type) -> None:
    """Raise a `TypeError` for a value of another type; a bool is no int, half a pair no text."""
    for value in values:
        if type(value) not in types:
            raise TypeError(f"{str(value)[:40]!r} is no {types[0].__name__}")
        if isinstance(value, str):
            value.encode()


@dataclass(frozen=True)
class Melody:
    """One voice: notes, and what holds around them. Rests are where no note sounds.

    Attributes:
        notes: by onset, not overlapping; at least one.
        meters: by tick, each at a barline, the first at tick 0.
        pickup: ticks of the short first bar; 0 for none, always less than a bar.
        duration: ticks in all; at least the end of the last note, so that a rest
            at the end is kept. 0 stands for 'where the last note ends'.
        key: tonic and mode, or None where unknown. Only the first key counts.
        key_is_estimated: whether the key was guessed rather than read.
        tempo: quarter notes a minute, or None where the source gives none.
        title: as in the source; '' for none.
        origin: where it comes from: a file and the tune in it; '' for none.
        chords: chord symbols, by tick.

    Raises:
        InputError: notes out of order or overlapping, a metre off the barline, …
    """

    notes: tuple[Note, ...]
    meters: tuple[Meter, ...] = (Meter(0, 4, 4),)
    pickup: int = 0
    duration: int = 0
    key: Key | None = None
    key_is_estimated: bool = False
    tempo: float | None = None
    title: str = field(default="", compare=False)
    origin: str = field(default="", compare=False)
    chords: tuple[Chord, ...] = ()

    def __post_init__(self) -> None:
        if not self.notes:
            raise InputError("no notes", remedy="a melody has at least one that sounds")
        for a, b in pairwise(self.notes):
            if b.onset < a.end:
                raise InputError(
                    f"the notes at ticks {a.onset} and {b.onset} overlap or are out of order"
                )
        last = self.notes[-1].end
        if self.duration == 0:
            object.__setattr__(self, "duration", last)
        elif self.duration < last:
            raise InputError(f"it lasts {self.duration} ticks, but its last note ends at {last}")
        check_length(self.duration)
        self._check_meters()
        if self.pickup and self.duration <= self.pickup:
            raise InputError("it ends within its pickup")
        if any(a.tick > b.tick for a, b in pairwise(self.chords)):
            raise InputError("the chord symbols are out of order")
        if self.chords and not 0 <= self.chords[0].tick <= self.chords[-1].tick <= self.duration:
            raise InputError("a chord symbol stands outside the melody")
        if self.tempo is not None and not 1 <= self.tempo <= 2000:
            raise InputError(f"a tempo of {self.tempo} quarters a minute")

    def _check_meters(self) -> None:
        if not self.meters or self.meters[0].tick != 0:
            raise InputError("no metre at the start")
        if not 0 <= self.pickup < self.meters[0].bar_ticks:
            raise InputError(
                f"a pickup of {self.pickup} ticks in a bar of {self.meters[0].bar_ticks}",
                remedy="a pickup is shorter than a bar",
            )
        for i, (a, b) in enumerate(pairwise(self.meters)):
            start = self.pickup if i == 0 else a.tick
            if i == 0 and self.pickup and b.tick == self.pickup:
                continue  # a pickup bar in a metre of its own
            if b.tick <= a.tick or (b.tick - start) % a.bar_ticks or b.tick < start:
                raise InputError(f"the metre {b} begins at tick {b.tick}, which is no barline")
        ends = [*(m.tick for m in self.meters[1:]), self.duration]
        bars = sum((end - m.tick) // m.bar_ticks for m, end in zip(self.meters, ends, strict=True))
        if bars > MOST_BARS:
            raise InputError(
                f"it has some {bars} bars, and at most {MOST_BARS} are read",
                remedy="cut it into tunes",
            )

    # -- looking at it ------------------------------------------------------

    @cached_property
    def bars(self) -> tuple[Bar, ...]:
        """The bars, from the pickup or first bar to the one in which the melody ends."""
        bars: list[Bar] = []
        start = 0
        if self.pickup:
            bars.append(Bar(0, 0, self.pickup, self.meters[0], True))
            start = self.pickup
        changes = [m.tick for m in self.meters]
        while start < self.duration:
            meter = self.meters[bisect_right(changes, start) - 1]
            bars.append(Bar(len(bars), start, start + meter.bar_ticks, meter))
            start += meter.bar_ticks
        return tuple(bars)

    @property
    def rests(self) -> tuple[tuple[int, int], ...]:
        """The silences as (onset, duration) in ticks, also before the first and after the last."""
        ends = [0, *(n.end for n in self.notes)]
        onsets = [*(n.onset for n in self.notes), self.duration]
        return tuple((e, o - e) for e, o in zip(ends, onsets, strict=True) if o > e)

    @property
    def pitches(self) -> tuple[int, ...]:
        """The pitch of each note."""
        return tuple(n.pitch for n in self.notes)

    @property
    def intervals(self) -> tuple[int, ...]:
        """Semitones from each note to the next; up is positive."""
        return tuple(b.pitch - a.pitch for a, b in pairwise(self.notes))

    def meter_at(self, tick: int) -> Meter:
        """The metre that holds at a tick."""
        return self.meters[max(0, bisect_right([m.tick for m in self.meters], tick) - 1)]

    # -- making another -----------------------------------------------------

    def transpose(self, semitones: int) -> Melody:
        """The same tune that many semitones higher, chord symbols and key with it.

        Raises:
            UsageError: if a note would leave 0 to 127.
        """
        if semitones == 0:
            return self
        if not 0 <= min(self.pitches) + semitones <= max(self.pitches) + semitones <= 127:
            raise UsageError(
                f"{semitones:+d} semitones would leave the range of MIDI",
                remedy=f"transpose by {-min(self.pitches)} to {127 - max(self.pitches):+d}",
            )
        key = self.key.transpose(semitones) if self.key else None
        # How far names move on the line of fifths: as the key does, so that Bb
        # in F stays the fourth degree; by the smallest move where no key is known.
        if self.key and key:
            fifths = _fifths(key.tonic) - _fifths(self.key.tonic)
        else:
            fifths = (semitones * 7 + 5) % 12 - 5

        def note(n: Note) -> Note:
            name = None if n.spelling is None else _move_name(n.spelling, fifths)
            return replace(n, pitch=n.pitch + semitones, spelling=name)

        return replace(
            self,
            notes=tuple(note(n) for n in self.notes),
            key=key,
            chords=tuple(
                replace(c, symbol=transpose_symbol(c.symbol, fifths)) for c in self.chords
            ),
        )

    def slice_bars(self, first: int, last: int) -> Melody:
        """Bars `first` to `last`, 0-based as in `bars`, both included.

        A note that begins before the first bar is left out; one that sounds on
        after the last is cut at the barline.

        Raises:
            UsageError: if there are no such bars.
            InputError: if no note begins in them.
        """
        if not 0 <= first <= last < len(self.bars):
            raise UsageError(f"bars {first} to {last} of a melody of {len(self.bars)}")
        start, end = self.bars[first].start, min(self.bars[last].end, self.duration)
        notes = tuple(
            replace(n, onset=n.onset - start, duration=min(n.end, end) - n.onset)
            for n in self.notes
            if start <= n.onset < end
        )
        if not notes:
            raise InputError(f"no note begins in bars {first} to {last}")
        now = replace(self.bars[first].meter, tick=0)
        later = (replace(m, tick=m.tick - start) for m in self.meters if start < m.tick < end)
        return replace(
            self,
            notes=notes,
            meters=(now, *later),
            pickup=self.pickup if first == 0 and last > 0 else 0,
            duration=end - start,
            chords=tuple(
                replace(c, tick=c.tick - start) for c in self.chords if start <= c.tick < end
            ),
        )

    def same_tune(self, other: Melody) -> bool:
        """Whether the notes are equal up to transposition: same times, same intervals."""
        if len(self.notes) != len(other.notes):
            return False
        shift = other.notes[0].pitch - self.notes[0].pitch
        return all(
            (a.onset, a.duration, a.pitch + shift) == (b.onset, b.duration, b.pitch)
            for a, b in zip(self.notes, other.notes, strict=True)
        )

    # -- as data --------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The melody as plain data for JSON; what is at its default is left out."""
        data: dict[str, Any] = {
            "notes": [
                [n.onset, n.duration, n.pitch, *([n.spelling] if n.spelling else [])]
                for n in self.notes
            ],
            "meters": [[m.tick, m.numerator, m.denominator] for m in self.meters],
            "duration": self.duration,
        }
        if self.pickup:
            data["pickup"] = self.pickup
        if self.key:
            data["key"] = [self.key.tonic, self.key.mode]
        if self.key_is_estimated:
            data["key_is_estimated"] = True
        if self.tempo is not None:
            data["tempo"] = self.tempo
        if self.chords:
            data["chords"] = [[c.tick, c.symbol] for c in self.chords]
        data.update({k: v for k, v in (("title", self.title), ("origin", self.origin)) if v})
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Melody:
        """The melody of such data, checked again.

        Raises:
            InputError: if the data is not of this form.
        """
        known = {
            "notes", "meters", "duration", "pickup", "key", "key_is_estimated",
            "tempo", "chords", "title", "origin",
        }  # fmt: skip
        if not isinstance(data, dict):
            raise InputError("not a melody's data (no object)")
        if unknown := sorted(set(data) - known):
            raise InputError(f"unknown fields in a melody: {', '.join(map(str, unknown))[:80]}")
        try:
            for note in data["notes"]:
                _check_types(note[:3], int)
                _check_types(note[3:], str)
                if note[3:] and not _NAME.fullmatch(note[3]):
                    raise ValueError(f"{note[3][:10]!r} is no note name")
            for meter in data["meters"]:
                _check_types(meter, int)
            for tick, symbol in data.get("chords", ()):
                _check_types((tick,), int)
                _check_types((symbol,), str)
            tempo = data.get("tempo")
            _check_types((data["duration"], data.get("pickup", 0)), int)
            _check_types((data.get("title", ""), data.get("origin", ""), *data.get("key", ())), str)
            _check_types((data.get("key_is_estimated", False),), bool)
            _check_types((0 if tempo is None else tempo,), int, float)
            return cls(
                notes=tuple(Note(*n) for n in data["notes"]),
                meters=tuple(Meter(*m) for m in data["meters"]),
                pickup=data.get("pickup", 0),
                duration=data["duration"],
                key=Key(*data["key"]) if "key" in data else None,
                key_is_estimated=data.get("key_is_estimated", False),
                tempo=tempo,
                title=data.get("title", ""),
                origin=data.get("origin", ""),
                chords=tuple(Chord(*c) for c in data.get("chords", ())),
            )
        except (KeyError, TypeError, ValueError) as e:
            raise InputError(f"not a melody's data ({type(e).__name__}: {e})") from e

    # -- shown in a notebook ---------------------------------------------------

    def _repr_html_(self) -> str | None:
        return _drawer(self) if _drawer else None

    def __repr__(self) -> str:
        title = f"{self.title!r}, " if self.title else ""
        key = f", {self.key}" if self.key else ""
        return (
            f"<Melody {title}{len(self.notes)} notes, {len(self.bars)} bars of "
            f"{self.meters[0]}{key}>"
        )


_drawer: Callable[[Melody], str] | None = None


def show_with(drawer: Callable[[Melody], str]) -> None:
    """Register what a notebook shows for a melody: a function that gives HTML."""
    global _drawer
    _drawer = drawer


def _move_name(name: str, fifths: int) -> str | None:
    """A note name moved on the line of fifths, or None where it would need three accidentals."""
    place = _fifths(name) + fifths
    return name_at_fifths(place) if -15 <= place <= 19 else None


_SYMBOL_ROOTS = re.compile(r"^([A-G](?:##|#|bb|b|))|(?<=/)([A-G](?:##|#|bb|b|))$")


def transpose_symbol(symbol: str, fifths: int) -> str:
    """A chord symbol with its root and bass moved on the line of fifths: 'G7/B', 2 → 'A7/C#'."""

    def moved(match: re.Match[str]) -> str:
        place = _fifths(match[0]) + fifths
        while place > 12:  # never E#### : respell by twelve fifths
            place -= 12
        while place < -10:
            place += 12
        return name_at_fifths(place)

    return _SYMBOL_ROOTS.sub(moved, symbol)
