"""One voice of an ABC tune: from its signs to the bars of a score."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from typing import Protocol

from tunesmith.errors import InputError
from tunesmith.formats.abc_fields import ALTERS, KeyField
from tunesmith.formats.abc_tokens import Token, ending_numbers, length, tokens
from tunesmith.formats.barring import MOST_NOTES, SourceBar, SourceNote
from tunesmith.formats.reading import Remarks
from tunesmith.formats.repeats import LONGEST, Marks

_STEPS = {"C": 60, "D": 62, "E": 64, "F": 65, "G": 67, "A": 69, "B": 71}
_NAMES = {-2: "bb", -1: "b", 0: "", 1: "#", 2: "##"}
_FINEST_WRITTEN = 1024
"""The largest denominator of a length in quarters as written: sums of others are numbers without
end."""
_FINEST = 10**9
"""The largest denominator of a length in quarters."""
_PLAIN_TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
_CHORD_SYMBOL = re.compile(
    r"[A-G](?:##|#|bb|b)?"
    r"(?:[Mm]aj|[Mm]in|[Mm]a|[Mm]i|dim|aug|sus|add|alt|omit|no|m|M|Δ|\+|-|°|o|ø|[#b]?(?:1[0-3]|[2-9])"
    r"|\([^()]*\)|\^)*"
    r"(?:/[A-G](?:##|#|bb|b)?)?|N\.?C\.?"
)
_LONGEST_SYMBOL = 40
_DA_CAPO = re.compile(r"\bD\.? ?[CS]\b|\bda capo\b|\bdal segno\b", re.IGNORECASE)
_DECORATIONS = frozenset("HLMOPSTuv")
"""Letters that are decorations unless a U: field says otherwise."""
_GRACE_NOTE = re.compile(r"(\^\^?|__?|=)?([A-Ga-g])")


class _Owner(Protocol):
    """What a voice needs of its tune."""

    remarks: Remarks
    defined: str

    def unknown_sign(self, text: str, line: int, column: int) -> None: ...


class _Event:
    """A note or rest; its length may still change, by a broken rhythm after it."""

    __slots__ = ("duration", "letter", "octave", "pitch", "spelling", "tied")

    def __init__(self, duration: Fraction) -> None:
        self.duration = duration  # quarters
        self.pitch: int | None = None  # None for a rest
        self.spelling = ""
        self.letter = ""
        self.octave = 0
        self.tied = False


class _Bar:
    """A bar while it is filled."""

    __slots__ = (
        "chords", "endings", "ends_section", "events", "line", "meter", "soft", "starts_repeat",
        "times",
    )  # fmt: skip

    def __init__(self, meter: tuple[int, int] | None) -> None:
        self.meter = meter
        self.line = 0
        self.events: list[_Event] = []
        self.chords: list[tuple[int, str]] = []  # index of the event, symbol
        self.starts_repeat = False
        self.times = 0
        self.endings: frozenset[int] = frozenset()
        self.ends_section = False
        self.soft = False  # whether only the end of a line ends it

    @property
    def length(self) -> Fraction:
        return sum((e.duration for e in self.events), start=Fraction(0))


_State = tuple[_Event | None, Fraction | None, int, Fraction]
"""What reaches from one note to the next: the last, a broken rhythm, a tuplet."""


class Voice:
    """Reads music lines; `source_bars` gives what they hold."""

    def __init__(
        self, tune: _Owner, key: KeyField, meter: tuple[int, int] | None, unit: Fraction
    ) -> None:
        self.note_count = 0
        self._event_count = 0
        self._tune = tune
        self._signature = key.signature
        self._meter = meter
        self._bars: list[_Bar] = []
        self._bar = _Bar(meter)
        self._accidentals: dict[str, int] = {}
        self._last: _Event | None = None
        self._broken: Fraction | None = None  # factor of the next note
        self._tuplet_left = 0
        self._tuplet = Fraction(1)
        self._endings: frozenset[int] = frozenset()
        self._under: _State | None = None  # the voice's own state while an overlay is read
        self._line = 0
        self._durations: dict[str, Fraction] = {}
        self.set_unit(unit)

    # -- fields -----------------------------------------------------------------

    def set_unit(self, unit: Fraction) -> None:
        """From here on a note without a length lasts that part of a whole note."""
        self._unit = 4 * unit
        self._durations = {}

    def set_key(self, key: KeyField) -> None:
        """From here on that signature holds."""
        self._signature = key.signature
        self._accidentals = {}

    def set_meter(self, meter: tuple[int, int] | None) -> None:
        """From here on that metre holds; a bar that has begun ends here."""
        if meter != self._meter:
            self._close_bar(soft=True)
            self._meter = self._bar.meter = meter

    # -- signs ------------------------------------------------------------------

    def take(self, token: Token, line: int) -> None:
        """Read one sign.

        Raises:
            InputError: without a place, except for a sign that means nothing.
        """
        self._line = line
        if token.kind == "note":
            self._note(token)
        elif token.kind not in _SILENT:
            _HANDLERS[token.kind](self, token)

    def end_line(self) -> None:
        """A line ends without a backslash: so does the bar, unless its parts fill one."""
        self._close_bar(soft=True)

    def _place(self, token: Token) -> str:
        return f"line {self._line}, column {token.column}"

    def _unknown(self, token: Token) -> None:
        self._tune.unknown_sign(token.match[0].strip(), self._line, token.column)

    # -- notes ------------------------------------------------------------------

    def _duration(self, text: str) -> Fraction:
        duration = self._durations.get(text)
        if duration is None:
            duration = length(text) * self._unit
            if duration.denominator > _FINEST_WRITTEN:
                raise InputError(
                    f"a note or rest of {str(duration)[:20]} quarters", remedy="correct its length"
                )
            self._durations[text] = duration
        return duration

    def _add(self, event: _Event) -> None:
        """Put a note or rest after what the bar has, its rhythm settled."""
        if self._broken:
            event.duration *= self._broken
            self._broken = None
        if self._tuplet_left:
            event.duration *= self._tuplet
            self._tuplet_left -= 1
        self._last = event
        if self._under:
            if event.pitch is not None:
                self._tune.remarks["notes of other voices dropped"] += 1
            return
        if not self._bar.events:
            self._bar.line = self._line
        self._bar.events.append(event)
        self._event_count += 1
        if self._event_count > MOST_NOTES:
            raise InputError(f"more than {MOST_NOTES} notes and rests", remedy="cut it into tunes")
        self.note_count += event.pitch is not None

    def _note(self, token: Token) -> None:
        match = token.match
        event = _Event(self._duration(match["length"]))
        self._set_pitch(event, match["accidental"], match["letter"], match["octave"])
        self._add(event)

    def _set_pitch(self, event: _Event, accidental: str | None, step: str, octave: str) -> None:
        letter = step.upper()
        above = 1 if step.islower() else 0
        if octave:
            above += octave.count("'") - octave.count(",")
        last = self._last
        if accidental:
            alter = self._accidentals[letter] = ALTERS[accidental]
        elif last and last.tied and last.letter == letter and last.octave == above:
            # A tie carries the accidental over the barline, for this note alone.
            event.pitch, event.spelling = last.pitch, last.spelling
            event.letter, event.octave = letter, above
            return
        elif letter in self._accidentals:
            alter = self._accidentals[letter]
        else:
            alter = self._signature.get(letter, 0)
        event.pitch = _STEPS[letter] + alter + 12 * above
        if not 0 <= event.pitch <= 127:
            raise InputError(
                f"the pitch {step}{octave[:20]} is outside the range of MIDI",
                remedy="check its octave marks",
            )
        event.spelling = letter + _NAMES[alter]
        event.letter, event.octave = letter, above

    def _microtone(self, token: Token) -> None:
        raise InputError(
            f"the microtone '{token.match[0][:20]}' has no MIDI number",
            remedy="write the nearest sharp or flat",
        )

    def _chord(self, token: Token) -> None:
        """A chord: the length of its first note, the pitch of its top one."""
        old = token.kind == "old_chord"
        inside = token.match["old_inside" if old else "inside"]
        notes: list[_Event] = []
        for part in tokens(inside):
            match = part.match
            if part.kind == "note":
                note = _Event(self._duration(match["length"]))
                self._set_pitch(note, match["accidental"], match["letter"], match["octave"])
                notes.append(note)
            elif part.kind == "tie" and notes:
                notes[-1].tied = True
            elif part.kind == "text":
                self._text(part)
            elif part.kind not in ("space", "decoration", "slur"):
                self._unknown(Token(part.kind, match, token.column + part.column))
        if not notes:
            self._unknown(token)
            return
        top = max(notes, key=lambda n: n.pitch or 0)
        top.duration = notes[0].duration
        if not old:
            top.duration *= length(token.match["chord_length"])
        if len(notes) > 1:
            self._tune.remarks["notes below the top of a chord dropped"] += len(notes) - 1
        self._add(top)

    def _grace(self, token: Token) -> None:
        """Grace notes take no time and are dropped, but their accidentals hold."""
        for accidental, step in _GRACE_NOTE.findall(token.match[0]):
            self._tune.remarks["grace notes dropped"] += 1
            if accidental:
                self._accidentals[step.upper()] = ALTERS[accidental]

    def _rest(self, token: Token) -> None:
        self._add(_Event(self._duration(token.match["rest_length"])))

    def _bars_of_rest(self, token: Token) -> None:
        if not self._meter:
            raise InputError(
                f"'{token.match[0]}' rests for bars where there is no metre",
                remedy="give it a metre",
            )
        count = int(token.match["count"] or 1)
        if not count:
            raise InputError(
                f"'{token.match[0]}' rests for no bars", remedy="take it out, or count the bars"
            )
        for n in range(0 if self._under else count):
            if n:
                self._close_bar(soft=False)
            self._add(_Event(4 * Fraction(*self._meter)))

    def _tie(self, token: Token) -> None:
        if self._last and self._last.pitch is not None:
            self._last.tied = True
        else:
            self._unknown(token)

    def _break_rhythm(self, token: Token) -> None:
        if not self._last:
            self._unknown(token)
            return
        short = Fraction(1, 2 ** len(token.match[0]))
        first, second = (2 - short, short) if token.match[0][0] == ">" else (short, 2 - short)
        self._last.duration *= first
        if self._last.duration.denominator > _FINEST:
            raise InputError("a broken rhythm on and on", remedy="take some of its signs out")
        self._broken = second

    def _start_tuplet(self, token: Token) -> None:
        match = token.match
        p = int(match["p"])
        above = self._meter[0] if self._meter else 4
        q = int(match["q"] or 0)
        if not q:
            compound = above % 3 == 0 and above > 3
            q = _PLAIN_TUPLETS.get(p, 3 if compound else 2)
        self._tuplet = Fraction(q, p)
        self._tuplet_left = int(match["r"] or p)

    def _text(self, token: Token) -> None:
        words = token.match["words"].strip()
        if len(words) <= _LONGEST_SYMBOL and _CHORD_SYMBOL.fullmatch(words):
            if not self._under:
                self._bar.chords.append((len(self._bar.events), words))
        elif _DA_CAPO.search(words):
            self._tune.remarks.note("da capo or dal segno not followed", self._place(token))

    def _decoration(self, token: Token) -> None:
        letters = token.match[0]
        if letters.isalpha() and not set(letters) <= _DECORATIONS | set(self._tune.defined):
            place = f"{self._place(token)} ('{letters[:10]}')"
            self._tune.remarks.note("letters that mean nothing passed over", place)
        if _DA_CAPO.search(token.match[0].strip("!+")):
            self._tune.remarks.note("da capo or dal segno not followed", self._place(token))

    def _start_overlay(self, token: Token) -> None:
        """Another voice over the same bar: it starts afresh."""
        if not self._under:
            self._under = self._last, self._broken, self._tuplet_left, self._tuplet
        self._last, self._broken, self._tuplet_left, self._accidentals = None, None, 0, {}

    def _end_overlay(self) -> None:
        if self._under:
            self._last, self._broken, self._tuplet_left, self._tuplet = self._under
            self._under = None

    # -- bars -------------------------------------------------------------------

    def _close_bar(self, *, soft: bool) -> None:
        """End the bar at hand, if it has begun; `soft` where no barline is written."""
        if not self._bar.events:
            return
        self._bar.soft = soft
        self._bar.endings = self._endings
        self._bars.append(self._bar)
        if len(self._bars) > LONGEST:
            raise InputError(f"more than {LONGEST} bars", remedy="cut it into tunes")
        self._bar = _Bar(self._meter)

    def _barline(self, token: Token) -> None:
        sign, number = token.match["bar"], token.match["number"]
        self._close_bar(soft=False)
        self._end_overlay()
        self._accidentals = {}
        last = self._bars[-1] if self._bars else None
        if last:
            last.soft = False
        before, _, after = sign.strip(".[]").partition("|")
        after = after.replace("|", "")
        if "|" not in sign:
            before, after = ":", ":"
        is_double = sign != "[|]" and ("||" in sign or "]" in sign or "[" in sign)
        if last and before:
            last.times = max(last.times, len(before) + 1)
        if last and is_double:
            last.ends_section = True
        if before or after or is_double:
            self._endings = frozenset()
        if after:
            self._bar.starts_repeat = True
        if number:
            self._endings = ending_numbers(number)

    def _ending(self, token: Token) -> None:
        self._close_bar(soft=True)
        self._endings = ending_numbers(token.match["ending_number"])

    def source_bars(self) -> list[SourceBar]:
        """The bars as they stand, those that only a line end parts joined where they fit.

        Bars without a metre get the commonest length among them as their metre.
        """
        self._close_bar(soft=False)
        self._end_overlay()
        if self._broken:
            self._tune.remarks["broken rhythms without a second note"] += 1
        bars: list[_Bar] = []
        run: list[_Bar] = []
        for bar in self._bars:
            run.append(bar)
            if not bar.soft:
                bars += _joined(run)
                run = []
        bars += run
        if any(bar.meter is None for bar in bars):
            self._tune.remarks["metre derived from the bars"] += 1
            meter = _commonest_meter([bar for bar in bars if bar.meter is None])
            for bar in bars:
                bar.meter = bar.meter or meter
        return [_source_bar(bar, number) for number, bar in enumerate(bars, 1)]


_SILENT = frozenset(("space", "slur", "comment", "nothing"))
_HANDLERS = {
    "bar": Voice._barline,
    "rest": Voice._rest,
    "broken": Voice._break_rhythm,
    "tuplet": Voice._start_tuplet,
    "tie": Voice._tie,
    "text": Voice._text,
    "grace": Voice._grace,
    "chord": Voice._chord,
    "old_chord": Voice._chord,
    "ending": Voice._ending,
    "decoration": Voice._decoration,
    "rests": Voice._bars_of_rest,
    "overlay": Voice._start_overlay,
    "microtone": Voice._microtone,
    "unknown": Voice._unknown,
}


def _joined(run: list[_Bar]) -> list[_Bar]:
    """The parts of one written bar as one if they fill its metre together, else as they are."""
    first = run[0]
    if len(run) == 1 or not first.meter or any(b.meter != first.meter for b in run):
        return run
    if sum(b.length for b in run) != 4 * Fraction(*first.meter):
        return run
    if any(b.endings != first.endings or b.starts_repeat for b in run[1:]):
        return run
    for bar in run[1:]:
        first.chords += [(len(first.events) + i, symbol) for i, symbol in bar.chords]
        first.events += bar.events
    first.times, first.ends_section, first.soft = run[-1].times, run[-1].ends_section, False
    return [first]


def _commonest_meter(bars: list[_Bar]) -> tuple[int, int]:
    """The metre of the most frequent bar length, in quarters or else in smaller values."""
    inner = bars[1:-1] or bars
    counts = Counter(bar.length for bar in inner)
    # 4/4 where it is as frequent as any; else the first of the most frequent.
    quarters = max(counts, key=lambda n: (counts[n], n == 4))
    for denominator in (4, 8, 16, 32, 64):
        units = quarters * denominator / 4
        if units.denominator == 1 and units <= 255:
            return units.numerator, denominator
    return 4, 4


def _source_bar(bar: _Bar, number: int) -> SourceBar:
    onset = Fraction(0)
    notes: list[SourceNote] = []
    onsets: list[Fraction] = []
    for event in bar.events:
        onsets.append(onset)
        if event.pitch is not None:
            notes.append(SourceNote(onset, event.duration, event.pitch, event.spelling, event.tied))
        onset += event.duration
    onsets.append(onset)
    assert bar.meter
    return SourceBar(
        place=f"line {bar.line}, bar {number}",
        meter=bar.meter,
        length=onset,
        notes=tuple(notes),
        chords=tuple((onsets[min(i, len(onsets) - 1)], symbol) for i, symbol in bar.chords),
        marks=Marks(bar.starts_repeat, bar.times, bar.endings, bar.ends_section),
    )
