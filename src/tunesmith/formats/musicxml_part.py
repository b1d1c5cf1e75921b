"""The measures of one part of a MusicXML score as bars of its main voice."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from fractions import Fraction

from tunesmith.errors import InputError
from tunesmith.formats.barring import SourceBar, SourceNote
from tunesmith.formats.harmony import read_harmony
from tunesmith.formats.reading import Remarks
from tunesmith.formats.repeats import Marks
from tunesmith.formats.xmlparts import number, parse_number, step_of
from tunesmith.melody import Key

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MODES = {
    "major": "major", "ionian": "major", "minor": "minor", "aeolian": "minor",
    "dorian": "dorian", "phrygian": "phrygian", "lydian": "lydian",
    "mixolydian": "mixolydian", "locrian": "locrian",
}  # fmt: skip
_MOST_NOTES = 30_000
"""In a part, those of chords and other voices among them: reading one takes 40 microseconds."""
_MOST_TIMES = 16
"""Of a repeat: what asks for more is no music."""
_JUMP_WORDS = re.compile(r"\b(d\. ?[cs]\.|da capo|dal segno)", re.IGNORECASE)
_UNITS = {
    "breve": Fraction(8), "whole": Fraction(4), "half": Fraction(2), "quarter": Fraction(1),
    "eighth": Fraction(1, 2), "16th": Fraction(1, 4), "32nd": Fraction(1, 8),
    "64th": Fraction(1, 16), "128th": Fraction(1, 32),
}  # fmt: skip


@dataclass(slots=True)
class _VoiceBar:
    """What one voice has in one measure: notes by onset (the highest of each), counts."""

    notes: dict[Fraction, SourceNote] = field(default_factory=dict)
    in_chords: int = 0
    grace: int = 0


@dataclass(slots=True)
class _Measure:
    """A measure with its voices, before one of them is chosen."""

    place: str
    meter: tuple[int, int] | None
    length: Fraction | None  # None stands for a full bar
    voices: dict[str, _VoiceBar]
    chords: list[tuple[Fraction, str]]
    marks: Marks


class PartReader:
    """Reads the measures of one part in order, with the state that runs through them.

    Attributes:
        key, mode_is_missing: the first key; major stands in for a missing mode.
        tempo: the first tempo in quarters a minute, or None.
        transposition: semitones from written to sounding pitch at the start.
    """

    def __init__(self, remarks: Remarks) -> None:
        self.key: Key | None = None
        self.mode_is_missing = False
        self.tempo: float | None = None
        self.transposition: int | None = None
        self._remarks = remarks
        self._measures: list[_Measure] = []
        self._keys_seen: str | None = None
        self._divisions = Fraction(1)
        self._meter: tuple[int, int] | None = None
        self._transpose_now = 0
        self._ending: frozenset[int] = frozenset()
        self._note_count = 0
        self._has_notes = False

    def read_measure(self, measure: ET.Element, index: int) -> None:
        """Read one measure; `index` counts from 0."""
        label = measure.get("number", "").strip()[:12]
        place = f"measure {label or index + 1}"
        notes = measure.findall("note")
        self._note_count += len(notes)
        if self._note_count > _MOST_NOTES:
            raise InputError(
                f"a part of more than {_MOST_NOTES} notes", where=place, remedy="cut it into tunes"
            )
        voices: dict[str, _VoiceBar] = defaultdict(_VoiceBar)
        chords: list[tuple[Fraction, str]] = []
        for attributes in measure.findall("attributes"):
            self._read_signatures(attributes, place)
        times, length = self._times(measure, place)
        for element, (onset, duration) in zip(measure, times, strict=True):
            if element.tag == "note":
                self._read_note(element, onset, duration, voices, place)
            elif element.tag == "harmony":
                self._read_chord(element, onset, chords, place)
            elif element.tag in ("direction", "sound"):
                self._read_direction(element, place)
            elif element.tag == "attributes":
                self._divisions = _divisions(element, place) or self._divisions
                self._read_transposition(element)
        if all(r is not None and r.get("measure") for r in (n.find("rest") for n in notes)) and (
            notes or not length
        ):
            # A whole-measure rest is often given as four quarters whatever the metre,
            # and a measure without anything stands for one.
            length = None
        marks = self._read_barlines(measure, place)
        self._measures.append(_Measure(place, self._meter, length, dict(voices), chords, marks))

    def _times(
        self, measure: ET.Element, place: str
    ) -> tuple[list[tuple[Fraction, Fraction]], Fraction | None]:
        """Onset and duration of each element of a measure, and the measure's length, in quarters.

        Some programs write the rests inside tuplets, or next to them, with another
        duration than the note value they show. Where the measure does not fill its
        metre as it stands but does with the values shown, those hold.
        """
        times, length = self._times_as(measure, place, shown_rests=False)
        if self._meter and length and length != _quarters(self._meter):
            mended, full = self._times_as(measure, place, shown_rests=True)
            if full == _quarters(self._meter):
                self._remarks.note("measures with wrong rests mended", place)
                return mended, full
        return times, length

    def _times_as(
        self, measure: ET.Element, place: str, *, shown_rests: bool
    ) -> tuple[list[tuple[Fraction, Fraction]], Fraction]:
        times = []
        at = onset = end = Fraction(0)
        divisions = self._divisions
        for element in measure:
            duration = Fraction(0)
            if element.tag == "note":
                duration = _duration(element, place) / divisions
                if shown_rests and element.find("rest") is not None:
                    duration = _shown_length(element) or duration
                if element.find("chord") is None:
                    onset = at
                    at += duration
                times.append((onset, duration))
                end = max(end, onset + duration)
                continue
            times.append((at, duration))
            if element.tag == "backup":
                at = max(Fraction(0), at - _duration(element, place) / divisions)
            elif element.tag == "forward":
                at += _duration(element, place) / divisions
                end = max(end, at)
            elif element.tag == "attributes":
                divisions = _divisions(element, place) or divisions
        return times, end

    def bars_of_melody(self) -> list[SourceBar]:
        """The bars of the voice that has the most notes, or the highest of those that have."""
        counts: Counter[str] = Counter()
        heights: Counter[str] = Counter()
        for measure in self._measures:
            for voice, bar in measure.voices.items():
                counts[voice] += len(bar.notes)
                heights[voice] += sum(n.pitch for n in bar.notes.values())
        if not counts or not max(counts.values()):
            raise InputError("no notes", remedy="give a score with a melody")
        chosen = max(counts, key=lambda v: (counts[v], heights[v], -ord(v[0]) if v else 0))
        if others := sum(counts.values()) - counts[chosen]:
            self._remarks["notes in other voices dropped"] += others
        without = [m.length for m in self._measures if not m.meter]
        if without:
            for measure in self._measures:
                if not measure.meter:
                    self._remarks.note("measures without a metre", measure.place)
        guess = _likeliest_meter(without)
        self._complete_endings()
        return [self._bar(measure, chosen, measure.meter or guess) for measure in self._measures]

    def _complete_endings(self) -> None:
        """Let a first ending last to its repeat sign, though its bracket is drawn shorter."""
        marks = [m.marks for m in self._measures]
        for i, mark in enumerate(marks[:-1]):
            if not mark.endings or mark.times:
                continue
            sign = i + 1
            while sign < len(marks) and not (
                marks[sign].endings or marks[sign].starts_repeat or marks[sign].times
            ):
                sign += 1
            is_short = (
                sign + 1 < len(marks)
                and marks[sign].times
                and not (marks[sign].endings or marks[sign].starts_repeat)
                and marks[sign + 1].endings
            )
            if is_short:
                for measure in self._measures[i + 1 : sign + 1]:
                    measure.marks = replace(measure.marks, endings=mark.endings)
                self._remarks["endings lengthened to their repeat sign"] += 1

    def _bar(self, measure: _Measure, voice: str, meter: tuple[int, int]) -> SourceBar:
        length = _quarters(meter) if measure.length is None else measure.length
        bar = measure.voices.get(voice, _VoiceBar())
        if bar.in_chords:
            self._remarks["lower notes of chords dropped"] += bar.in_chords
        if bar.grace:
            self._remarks["grace notes dropped"] += bar.grace
        notes: list[SourceNote] = []
        for note in sorted(bar.notes.values()):
            if notes and notes[-1].onset + notes[-1].duration > note.onset:
                notes[-1] = notes[-1]._replace(duration=note.onset - notes[-1].onset, tied=False)
                self._remarks.note("overlapping notes cut", measure.place)
            notes.append(note)
        return SourceBar(
            measure.place,
            meter,
            length,
            tuple(notes),
            tuple(sorted(((min(at, length), c) for at, c in measure.chords), key=lambda x: x[0])),
            measure.marks,
        )

    def _read_note(
        self,
        note: ET.Element,
        onset: Fraction,
        duration: Fraction,
        voices: dict[str, _VoiceBar],
        place: str,
    ) -> None:
        bar = voices[note.findtext("voice", "1").strip()]
        pitch = note.find("pitch")
        if pitch is None:
            if note.find("unpitched") is not None:
                self._remarks.note("notes without pitch dropped", place)
            return
        if note.find("grace") is not None:
            bar.grace += 1
            return
        if note.find("cue") is not None:
            self._remarks.note("cue notes dropped", place)
            return
        if duration == 0:
            self._remarks.note("notes without length dropped", place)
            return
        number_, name = self._pitch(pitch, place)
        tied = any(
            t.get("type") == "start"
            for t in (*note.findall("tie"), *note.findall("notations/tied"))
        )
        before = bar.notes.get(onset)
        if before is not None:
            bar.in_chords += 1
            if before.pitch >= number_:
                return
        self._has_notes = True
        bar.notes[onset] = SourceNote(onset, duration, number_, name, tied)

    def _pitch(self, pitch: ET.Element, place: str) -> tuple[int, str | None]:
        """Written MIDI number and name, as if the first transposition held throughout."""
        step = pitch.findtext("step", "").strip()
        octave = number(pitch, "octave")
        if step not in _STEPS or octave is None or octave.denominator != 1:
            raise InputError(
                "a note without step and octave",
                where=place,
                remedy="give it a step A to G and a whole octave, or make it a rest",
            )
        alter = number(pitch, "alter") or Fraction(0)
        if alter.denominator != 1:
            self._remarks.note("microtones rounded", place)
        moved = self._transpose_now - (self.transposition or 0)
        semitones = 12 * (int(octave) + 1) + _STEPS[step] + round(alter) + moved
        if not 0 <= semitones <= 127:
            raise InputError(
                f"the pitch {step}{octave} is outside MIDI's range",
                where=place,
                remedy="correct its octave or the transposition of the part",
            )
        return semitones, None if moved else step_of(pitch, "step", "alter")

    def _read_signatures(self, attributes: ET.Element, place: str) -> None:
        for key in attributes.findall("key")[:1]:
            self._read_key(key)
        for time in attributes.findall("time")[:1]:
            self._read_time(time, place)

    def _read_transposition(self, attributes: ET.Element) -> None:
        transpose = attributes.find("transpose")
        if transpose is not None:
            octaves = number(transpose, "octave-change") or 0
            self._transpose_now = int((number(transpose, "chromatic") or 0) + 12 * octaves)
            if self.transposition is None and not self._has_notes:
                self.transposition = self._transpose_now

    def _read_key(self, key: ET.Element) -> None:
        fifths = number(key, "fifths")
        mode = key.findtext("mode", "").strip().lower()
        seen = f"{fifths} {mode}"
        if self._keys_seen is not None:
            if seen != self._keys_seen:
                self._remarks["key changes dropped"] += 1
                self._keys_seen = seen
            return
        self._keys_seen = seen
        if fifths is None or abs(fifths) > 11 or fifths.denominator != 1:
            self._remarks["unusual key signatures dropped"] += 1
            return
        self.mode_is_missing = mode not in _MODES
        self.key = Key.from_signature(int(fifths), _MODES.get(mode, "major"))

    def _read_time(self, time: ET.Element, place: str) -> None:
        if time.find("senza-misura") is not None:
            self._remarks.note("passages without metre", place)
            return
        pairs = list(zip(time.findall("beats"), time.findall("beat-type"), strict=False))
        total = Fraction(0)
        largest = 1
        for beats, unit in pairs:
            counts = [parse_number(b) for b in (beats.text or "").split("+")]
            below = parse_number(unit.text)
            if None in counts or not below or below.denominator != 1 or below < 1:
                raise InputError(
                    f"no metre: {beats.text}/{unit.text}", where=place, remedy="check its time"
                )
            total += sum((c for c in counts if c), Fraction(0)) / below
            largest = max(largest, int(below))
        numerator = total * largest
        if not pairs or numerator.denominator != 1 or numerator < 1:
            raise InputError(
                "a time signature without beats", where=place, remedy="write both numbers of it"
            )
        self._meter = (int(numerator), largest)

    def _read_chord(
        self, harmony: ET.Element, at: Fraction, chords: list[tuple[Fraction, str]], place: str
    ) -> None:
        symbol = read_harmony(harmony)
        if symbol is None:
            self._remarks.note("chord symbols not understood", place)
            return
        offset = (number(harmony, "offset") or Fraction(0)) / self._divisions
        chords.append((max(Fraction(0), at + offset), symbol))

    def _read_direction(self, element: ET.Element, place: str) -> None:
        tempo = read_tempo(element)
        if tempo is not None:
            if self.tempo is None:
                self.tempo = tempo
            elif tempo != self.tempo:
                self._remarks["tempo changes dropped"] += 1
        sound = element if element.tag == "sound" else element.find("sound")
        words = " ".join(e.text or "" for e in element.findall("direction-type/words"))
        if _JUMP_WORDS.search(words) or (
            sound is not None and (sound.get("dacapo") or sound.get("dalsegno"))
        ):
            self._remarks.note("D.C. or D.S. not followed", place)

    def _read_barlines(self, measure: ET.Element, place: str) -> Marks:
        starts, times = False, 0
        stops = False
        for barline in measure.findall("barline"):
            repeat = barline.find("repeat")
            if repeat is not None and repeat.get("direction") == "forward":
                starts = True
            elif repeat is not None:
                said = int(parse_number(repeat.get("times")) or 2)
                times = max(2, min(_MOST_TIMES, said))
                if said > times:
                    self._remarks.note("repeats of more than 16 times cut", place)
            for ending in barline.findall("ending"):
                if ending.get("type") == "start":
                    self._ending = _ending_numbers(ending.get("number", ""), self._ending)
                else:
                    stops = True
        endings = self._ending
        if stops or times:
            self._ending = frozenset()
        return Marks(starts, times, endings)


def _quarters(meter: tuple[int, int]) -> Fraction:
    return Fraction(4 * meter[0], meter[1])


def _divisions(attributes: ET.Element, place: str) -> Fraction | None:
    """The divisions of a quarter that hold from here on, or None where it gives none."""
    divisions = number(attributes, "divisions")
    if divisions is not None and divisions <= 0:
        raise InputError("divisions that are not positive", where=place)
    return divisions


def _duration(element: ET.Element, place: str) -> Fraction:
    """Divisions; 0 for a grace note."""
    if element.find("grace") is not None:
        return Fraction(0)
    duration = number(element, "duration")
    if duration is None or duration < 0:
        raise InputError(
            f"a <{element.tag}> without a duration", where=place, remedy="export it again"
        )
    return duration


def _likeliest_meter(lengths: list[Fraction | None]) -> tuple[int, int]:
    """The metre of the commonest of some measures' lengths in quarters: 3 is 3/4, 3/2 is 3/8."""
    ranked = Counter(x for x in lengths if x and (x * 4).denominator == 1 and x <= 16)
    if not ranked:
        return 4, 4
    length = ranked.most_common(1)[0][0]
    return length.numerator, 4 * length.denominator


def _shown_length(note: ET.Element) -> Fraction | None:
    """Quarters of the note value that a <note> shows, or None if it shows none."""
    unit = _UNITS.get(note.findtext("type", "").strip())
    if not unit:
        return None
    length = unit * (2 - Fraction(1, 2 ** len(note.findall("dot"))))
    actual = number(note, "time-modification/actual-notes")
    normal = number(note, "time-modification/normal-notes")
    return length * normal / actual if actual and normal else length


def _ending_numbers(text: str, before: frozenset[int]) -> frozenset[int]:
    """The turns for which an ending is played: '1, 2' or '1-3'; the first if it has no number."""
    turns: set[int] = set()
    for first, last in re.findall(r"(\d{1,2})(?:\s*-\s*(\d{1,2}))?", text):
        turns.update(range(int(first), min(int(last or first), 16) + 1))
    return frozenset(t for t in turns if 1 <= t <= 16) or frozenset({1 + max(before, default=0)})


def read_tempo(element: ET.Element) -> float | None:
    """Quarters a minute of a <direction> or <sound>, or None."""
    sound = element if element.tag == "sound" else element.find("sound")
    tempo = parse_number(sound.get("tempo")) if sound is not None else None
    if not tempo:
        metronome = element.find("direction-type/metronome")
        if metronome is None:
            return None
        rate = number(metronome, "per-minute")
        unit = _UNITS.get(metronome.findtext("beat-unit", "").strip())
        if not rate or not unit:
            return None
        dots = len(metronome.findall("beat-unit-dot"))
        tempo = rate * unit * (2 - Fraction(1, 2**dots))
    return float(tempo) if 1 <= tempo <= 2000 else None
