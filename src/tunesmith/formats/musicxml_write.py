"""Writing MusicXML 4.0: one melody as a score of one part."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby

from tunesmith.errors import UsageError
from tunesmith.formats.harmony import write_harmony
from tunesmith.formats.layout import Event, LaidBar, lay_out
from tunesmith.formats.xmlparts import alter_of, sub
from tunesmith.melody import TICKS_PER_QUARTER, WHOLE, Key, Melody, Meter
from tunesmith.theory import octave_of

_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
    b'<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN"'
    b' "http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_TYPES = {
    Fraction(2): "breve", Fraction(1): "whole", Fraction(1, 2): "half", Fraction(1, 4): "quarter",
    Fraction(1, 8): "eighth", Fraction(1, 16): "16th", Fraction(1, 32): "32nd",
    Fraction(1, 64): "64th", Fraction(1, 128): "128th", Fraction(1, 256): "256th",
    Fraction(1, 512): "512th", Fraction(1, 1024): "1024th",
}  # fmt: skip
_ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
_BASS_BELOW = 55  # a melody whose middle note is under G3 stands in the bass clef
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def dumps(melodies: Sequence[Melody]) -> bytes:
    """A melody as a MusicXML file, the same bytes for the same melody.

    Durations count 480 a quarter, so that ticks are kept as they are. A last
    bar that is not full is filled up with rests.

    Raises:
        UsageError: if it is not exactly one melody.
        InputError: if it has more notes in a bar than notation can spell.
    """
    if len(melodies) != 1:
        raise UsageError(
            f"a MusicXML file holds one melody, not {len(melodies)}",
            remedy="write each to a file of its own, or all to one ABC file",
        )
    melody = melodies[0]
    score = ET.Element("score-partwise", version="4.0")
    title = " ".join(_NOT_XML.sub(" ", melody.title).split())
    if title:
        sub(sub(score, "work"), "work-title", title)
    encoding = sub(sub(score, "identification"), "encoding")
    sub(encoding, "software", "Tunesmith")
    for what in ("accidental", "beam", "stem"):
        sub(encoding, "supports", element=what, type="no" if what == "stem" else "yes")
    part_list = sub(score, "part-list")
    score_part = sub(part_list, "score-part", id="P1")
    sub(score_part, "part-name", "Melody", **{"print-object": "no"})
    # MuseScore complains of a part without an instrument.
    sub(sub(score_part, "score-instrument", id="P1-I1"), "instrument-name", "Melody")
    part = sub(score, "part", id="P1")
    bars = lay_out(melody).bars
    first_number = 0 if melody.pickup else 1
    for i, laid in enumerate(bars):
        measure = sub(part, "measure", number=str(first_number + i))
        if laid.bar.is_pickup:
            measure.set("implicit", "yes")
        _write_bar(measure, laid, melody, is_first=i == 0)
        if i == len(bars) - 1:
            sub(sub(measure, "barline", location="right"), "bar-style", "light-heavy")
    ET.indent(score)
    text = ET.tostring(score, encoding="unicode")
    return _HEAD + text.encode() + b"\n"


def _write_bar(measure: ET.Element, laid: LaidBar, melody: Melody, *, is_first: bool) -> None:
    if laid.meter_changes:
        _write_attributes(measure, laid.bar.meter, melody, is_first)
    if is_first and melody.tempo is not None:
        _write_tempo(measure, melody.tempo, laid.bar.meter)
    chords = list(laid.chords)
    beams = _beams(laid)
    accidentals = _accidentals(laid, melody.key)
    is_whole_rest = laid.is_silent and laid.ticks == laid.bar.meter.bar_ticks
    events = laid.events
    if is_whole_rest:
        events = (Event(None, "", laid.bar.start, laid.ticks, Fraction(1)),)
    for i, event in enumerate(events):
        while chords and (chords[0].tick < event.end or i == len(events) - 1):
            chord = chords.pop(0)
            write_harmony(measure, _NOT_XML.sub("", chord.symbol), chord.tick - event.onset)
        note = sub(measure, "note")
        if is_whole_rest:
            sub(note, "rest", measure="yes")
            sub(note, "duration", str(event.ticks))
        else:
            _write_note(note, event, accidentals[i], beams[i])


def _write_attributes(measure: ET.Element, meter: Meter, melody: Melody, is_first: bool) -> None:
    attributes = sub(measure, "attributes")
    if is_first:
        sub(attributes, "divisions", str(TICKS_PER_QUARTER))
        if melody.key:
            key = sub(attributes, "key")
            sub(key, "fifths", str(melody.key.sharps))
            sub(key, "mode", melody.key.mode)
    time = sub(attributes, "time")
    sub(time, "beats", str(meter.numerator))
    sub(time, "beat-type", str(meter.denominator))
    if is_first:
        is_low = sorted(melody.pitches)[len(melody.pitches) // 2] < _BASS_BELOW
        clef = sub(attributes, "clef")
        sub(clef, "sign", "F" if is_low else "G")
        sub(clef, "line", "4" if is_low else "2")


def _write_tempo(measure: ET.Element, tempo: float, meter: Meter) -> None:
    """The tempo as a metronome mark of the metre's beat and as quarters a minute."""
    direction = sub(measure, "direction", placement="above")
    metronome = sub(sub(direction, "direction-type"), "metronome")
    beat = Fraction(meter.beat_ticks, WHOLE)
    dotted = beat.numerator == 3
    sub(metronome, "beat-unit", _TYPES[beat * 2 / 3 if dotted else beat])
    if dotted:
        sub(metronome, "beat-unit-dot")
    sub(metronome, "per-minute", _decimal(round(tempo / float(4 * beat), 2)))
    sub(direction, "sound", tempo=_decimal(tempo))


def _decimal(value: float) -> str:
    """A number without an exponent, and without '.0'."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _write_note(
    note: ET.Element, event: Event, accidental: str | None, beams: Sequence[str]
) -> None:
    """Fill a <note>; its children stand in the order that MusicXML prescribes."""
    if event.pitch is None:
        sub(note, "rest")
    else:
        pitch = sub(note, "pitch")
        sub(pitch, "step", event.name[0])
        if alter := alter_of(event.name):
            sub(pitch, "alter", str(alter))
        sub(pitch, "octave", str(octave_of(event.pitch, event.name)))
    sub(note, "duration", str(event.ticks))
    ties = [t for t, on in (("stop", event.tie_stop), ("start", event.tie_start)) if on]
    for tie in ties:
        sub(note, "tie", type=tie)
    sub(note, "voice", "1")
    sub(note, "type", _TYPES[event.value])
    for _ in range(event.dots):
        sub(note, "dot")
    if accidental:
        sub(note, "accidental", accidental)
    if event.tuplet:
        modification = sub(note, "time-modification")
        sub(modification, "actual-notes", str(event.tuplet[0]))
        sub(modification, "normal-notes", str(event.tuplet[1]))
    for level, beam in enumerate(beams, 1):
        sub(note, "beam", beam, number=str(level))
    if ties or event.tuplet_start or event.tuplet_stop:
        notations = sub(note, "notations")
        for tie in ties:
            sub(notations, "tied", type=tie)
        if event.tuplet_start:
            sub(notations, "tuplet", type="start", bracket="no" if beams else "yes")
        if event.tuplet_stop:
            sub(notations, "tuplet", type="stop")


def _accidentals(laid: LaidBar, key: Key | None) -> list[str | None]:
    """The accidental that each event of a bar shows, after the signature and the bar so far."""
    sharps = key.sharps if key else 0
    signature = dict.fromkeys("ABCDEFG", 0)
    for i in range(abs(sharps)):
        signature["FCGDAEB"[i % 7] if sharps > 0 else "BEADGCF"[i % 7]] += 1 if sharps > 0 else -1
    in_force: dict[tuple[str, int], int] = {}
    shown: list[str | None] = []
    for event in laid.events:
        if event.pitch is None or event.tie_stop:
            # What is tied on keeps its accidental unseen; one tied over the barline does
            # not count for the notes that are struck after it.
            shown.append(None)
            continue
        alter = alter_of(event.name)
        place = event.name[0], octave_of(event.pitch, event.name)
        shown.append(
            _ACCIDENTALS[alter] if alter != in_force.get(place, signature[event.name[0]]) else None
        )
        in_force[place] = alter
    return shown


# -- beams ------------------------------------------------------------------------


def _beams(laid: LaidBar) -> list[list[str]]:
    """For each event its beams from the outermost in: 'begin', 'continue', 'end' or a hook."""
    beams: list[list[str]] = [[] for _ in laid.events]
    offset = laid.bar.meter.bar_ticks - laid.bar.length  # a pickup lies at its bar's end
    ends = _beam_ends(laid, offset)
    keys: list[tuple[int, int]] = []
    tuplet = breaks = 0
    for event in laid.events:
        tuplet += event.tuplet_start
        in_tuplet = tuplet if event.tuplet else 0
        breaks += event.pitch is None or event.value > Fraction(1, 8)
        at = event.onset - laid.bar.start + offset
        group = -in_tuplet if in_tuplet else sum(end <= at for end in ends)
        keys.append((breaks, group))
        breaks += event.pitch is None or event.value > Fraction(1, 8)
    for _, places in groupby(range(len(keys)), key=lambda i: keys[i]):
        group_places = list(places)
        flags = [_flags(laid.events[i]) for i in group_places]
        if len(group_places) > 1:
            for i, shown in zip(group_places, _beam_group(flags), strict=True):
                beams[i] = shown
    return beams


def _flags(event: Event) -> int:
    """Flags of a note value: 1 for an eighth, 2 for a sixteenth."""
    return max(0, event.value.denominator.bit_length() - 3)


def _beam_ends(laid: LaidBar, offset: int) -> list[int]:
    """Where beams must end, in ticks from the start of the full bar.

    At beats; in 3/8, 5/8, 7/8 and the like at groups of two and three; four
    eighths that fill half of a 4/4 bar stay together.
    """
    meter = laid.bar.meter
    eighth = TICKS_PER_QUARTER // 2
    if meter.beat_ticks >= TICKS_PER_QUARTER:
        step = meter.beat_ticks
    elif meter.denominator == 8 and meter.numerator == 3:
        step = meter.bar_ticks
    else:
        step = TICKS_PER_QUARTER
    ends = list(range(step, meter.bar_ticks, step))
    if meter.bar_ticks % step and len(ends) > 1:
        ends.pop()  # the last group takes what is over
    if (meter.numerator, meter.denominator) == (4, 4):
        for half in (0, 2 * TICKS_PER_QUARTER):
            inside = [
                e for e in laid.events
                if half <= e.onset - laid.bar.start + offset < half + 2 * TICKS_PER_QUARTER
            ]  # fmt: skip
            if len(inside) == 4 and all(e.ticks == eighth and e.pitch is not None for e in inside):
                ends.remove(half + TICKS_PER_QUARTER)
    return ends


def _beam_group(flags: list[int]) -> list[list[str]]:
    """The beams of notes under one beam, by the flags each would have."""
    out: list[list[str]] = []
    for i, count in enumerate(flags):
        shown = []
        for level in range(1, count + 1):
            before = i > 0 and flags[i - 1] >= level
            after = i + 1 < len(flags) and flags[i + 1] >= level
            if before and after:
                shown.append("continue")
            elif before:
                shown.append("end")
            elif after:
                shown.append("begin")
            else:
                shown.append("backward hook" if i > 0 else "forward hook")
        out.append(shown)
    return out
