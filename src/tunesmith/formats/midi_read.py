"""Reading MIDI: from the events of a file to one melody, with what had to be mended."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

from tunesmith.errors import InputError, TunesmithError
from tunesmith.formats.midi_file import MidiFile, RawNote, parse
from tunesmith.formats.midi_meters import MeterMap, map_meters
from tunesmith.formats.midi_write import CHORD_TEXT, KEY_TEXT, MADE_HERE
from tunesmith.formats.reading import Reading
from tunesmith.melody import TICKS_PER_QUARTER, Chord, Key, Melody, Note

_SLIGHT_OVERLAP = TICKS_PER_QUARTER // 8
"""Ticks, a thirty-second note, that a note may sound into the next one."""
_GRID = TICKS_PER_QUARTER // 24
"""Ticks: 24 steps a quarter hold thirty-seconds and triplets."""
_JUST_SHORT = 3
"""Ticks by which programs let notes end before their time, so that they part."""
_MOST_BARS = 20_000
_NO_TITLE = re.compile(
    r"(?:(?:acoustic |electric |grand )*piano|fl keys|keys|voice|vocals?|melody|lead|track|midi"
    r"|staff|part|soprano|untitled|unnamed|new)(?:[ _-]?\d+)*",
    re.IGNORECASE,
)
"""A part of a track's name that says nothing of the tune."""


def scan(data: bytes, where: str) -> list[Reading]:
    """Read the one melody of a MIDI file.

    Notes of all tracks and channels but the drums must make one voice. What sounds
    into the next note by a thirty-second at most, and at most by half of itself, is
    cut there; anything more is polyphony and refused. Notes that fall just short of
    the grid of 24 steps a quarter, and those of a file in MuseScore's manner (95 %
    of their length less a tick), get their length back. Empty bars before the first
    note are dropped. The tempo, and the key signature, are those in force at the
    first note; a bare C major is what programs write when nobody chose a key, so it
    counts as unknown. A short first bar in a metre of its own is the pickup; a
    metre that changes within a bar ends it there. The remarks count all of this.

    Files that `dumps` wrote are read as they are, to the tick.

    Args:
        data: the file.
        where: its name, for the places in errors.

    Returns:
        One reading, a melody or the error.
    """
    remarks: Counter[str] = Counter()
    try:
        melody = _read(parse(data), where, remarks)
    except TunesmithError as e:
        return [Reading(where, error=e.at(where), remarks=dict(remarks))]
    return [Reading(where, melody, remarks=dict(remarks))]


def _read(file: MidiFile, where: str, remarks: Counter[str]) -> Melody:
    is_exact = any(text.text == MADE_HERE for text in file.texts)
    _note(remarks, "drum notes left out", file.drums)
    _note(remarks, "ends of notes that never began", file.stray_ends)
    raw = _ended(file, remarks)
    raw = _without_doubles(raw, remarks)
    if not raw:
        only = "only drums" if file.drums else "no notes"
        raise InputError(f"{only} in it", remedy="give a file with one melody")
    meters = map_meters(file, remarks)
    raw = _one_voice(raw, file.per_quarter, meters, remarks)
    if not is_exact:
        raw = _lengthened(raw, file.per_quarter, remarks)
    notes = _in_ticks(raw, file.per_quarter, remarks)
    first = raw[0].onset
    tempo = _tempo(file, first, remarks)
    key = _key(file, first, remarks)
    duration = notes[-1].end
    chords = _chords(file)
    if is_exact:
        duration = max(duration, _ticks(file.end, file.per_quarter))
    else:
        start, empty = meters.first_bar(notes[0].onset)
        _note(remarks, "empty bars before the first note dropped", empty)
        if start:
            meters = meters.starting_at(start)
            notes = tuple(replace(n, onset=n.onset - start) for n in notes)
            chords = tuple(replace(c, tick=c.tick - start) for c in chords)
            duration -= start
    inside = tuple(c for c in chords if 0 <= c.tick <= duration)
    _note(remarks, "chord symbols outside the melody dropped", len(chords) - len(inside))
    if duration > _MOST_BARS * meters.meters[0].bar_ticks:
        raise InputError(
            f"it lasts {duration // TICKS_PER_QUARTER} quarters, more than {_MOST_BARS} bars",
            remedy="check its times",
        )
    return Melody(
        notes=notes,
        meters=meters.until(duration),
        pickup=meters.pickup if meters.pickup < duration else 0,
        duration=duration,
        key=key,
        tempo=tempo,
        title=_title(file),
        origin=where,
        chords=inside,
    )


def _note(remarks: Counter[str], what: str, count: int) -> None:
    if count:
        remarks[what] += count


def _ticks(time: int, per_quarter: int) -> int:
    """The file's time in our ticks, halves rounded up."""
    return (2 * time * TICKS_PER_QUARTER + per_quarter) // (2 * per_quarter)


def _ended(file: MidiFile, remarks: Counter[str]) -> list[RawNote]:
    """The notes with an end each: one that has none ends at the next onset or with the file."""
    ended: list[RawNote] = []
    following: int | None = None  # the next onset after this one
    current: int | None = None
    for note in reversed(file.notes):
        if note.onset != current:
            current, following = note.onset, current
        end = note.end
        if end is None:
            remarks["notes that never end cut at the next onset"] += 1
            end = file.end if following is None else following
        if end <= note.onset:
            remarks["notes of no length dropped"] += 1
            continue
        ended.append(RawNote(note.onset, end, note.pitch))
    ended.reverse()
    return ended


def _without_doubles(raw: list[RawNote], remarks: Counter[str]) -> list[RawNote]:
    """The notes, sorted, without those that begin together at the same pitch; the longest stays."""
    kept: list[RawNote] = []
    for note in raw:
        last = kept[-1] if kept else None
        if last and (last.onset, last.pitch) == (note.onset, note.pitch):
            remarks["doubled notes dropped"] += 1
            assert last.end is not None and note.end is not None
            kept[-1] = last._replace(end=max(last.end, note.end))
        else:
            kept.append(note)
    return kept


def _one_voice(
    raw: list[RawNote], per_quarter: int, meters: MeterMap, remarks: Counter[str]
) -> list[RawNote]:
    """The notes with slight overlaps cut.

    Raises:
        InputError: where more than slight ones are left.
    """
    voice: list[RawNote] = []
    clashes: list[RawNote] = []
    sounding = 0  # until when anything before sounds
    for note in raw:
        assert note.end is not None
        if note.onset < sounding:
            last = voice[-1]
            assert last.end is not None
            overlap = min(last.end, note.end) - note.onset
            is_slight = (
                overlap * TICKS_PER_QUARTER <= _SLIGHT_OVERLAP * per_quarter
                and last.end == sounding
                and 2 * (note.onset - last.onset) >= last.end - last.onset
            )
            if is_slight and not clashes:
                remarks["slight overlaps cut"] += 1
                voice[-1] = last._replace(end=note.onset)
                sounding = note.onset
            elif not is_slight:
                clashes.append(note)
        voice.append(note)
        sounding = max(sounding, note.end)
    if clashes:
        bar = meters.bar_number(_ticks(clashes[0].onset, per_quarter))
        raise InputError(
            f"it has more than one voice: {len(clashes)} of its {len(raw)} notes begin while"
            f" another sounds, the first in bar {bar}",
            remedy="give a file with one voice",
        )
    return voice


def _lengthened(raw: list[RawNote], per_quarter: int, remarks: Counter[str]) -> list[RawNote]:
    """The notes with the lengths that the program which wrote the file took from them."""
    step = _GRID * per_quarter  # times below are in parts of our tick: file's ticks × 480
    gated = [_before_gate(n, per_quarter) for n in raw]
    is_gated = 2 * sum(length is not None for length in gated) >= len(raw)
    onsets = [n.onset for n in raw[1:]]
    done: list[RawNote] = []
    for note, length, following in zip(raw, gated, [*onsets, None], strict=True):
        assert note.end is not None
        end = note.end
        missing = -end * TICKS_PER_QUARTER % step
        if is_gated and length is not None:
            end = note.onset + length
        elif 0 < missing <= _JUST_SHORT * per_quarter:
            # Up to a whole tick of the file; `_in_ticks` rounds the rest.
            end = -(-(end * TICKS_PER_QUARTER + missing) // TICKS_PER_QUARTER)
        if following is not None:
            end = min(end, following)
        if end > note.end:
            remarks["shortened notes lengthened to the grid"] += 1
        done.append(note._replace(end=max(end, note.end)))
    return done


def _before_gate(note: RawNote, per_quarter: int) -> int | None:
    """The length on the grid of which MuseScore's 95 % less a tick is this note's, or None."""
    assert note.end is not None
    sounding = note.end - note.onset + 1
    shortest = -(-sounding * 100 // 95)
    for length in (shortest, shortest + 1):
        on_grid = length * TICKS_PER_QUARTER % (_GRID * per_quarter) == 0
        if on_grid and length * 95 // 100 == sounding:
            return length
    return None


def _in_ticks(raw: list[RawNote], per_quarter: int, remarks: Counter[str]) -> tuple[Note, ...]:
    notes: list[Note] = []
    for onset, end, pitch in raw:
        assert end is not None
        first, last = _ticks(onset, per_quarter), _ticks(end, per_quarter)
        if last == first:
            remarks["notes shorter than a tick dropped"] += 1
            continue
        if (onset * TICKS_PER_QUARTER) % per_quarter or (end * TICKS_PER_QUARTER) % per_quarter:
            remarks["notes rounded to the tick"] += 1
        notes.append(Note(first, last - first, pitch))
    if not notes:
        raise InputError("all its notes are shorter than a tick", remedy="check its resolution")
    return tuple(notes)


def _tempo(file: MidiFile, first: int, remarks: Counter[str]) -> float | None:
    """Quarters a minute at the first note; None where the file says nothing of use."""
    known = [(tick, us) for tick, us in file.tempos if us and 1 <= 60_000_000 / us <= 2000]
    _note(remarks, "tempos without sense dropped", len(file.tempos) - len(known))
    if not known:
        return None
    before = [us for tick, us in known if tick <= first] or [known[0][1]]
    after = [us for tick, us in known if tick > first]
    changes = sum(a != b for a, b in pairwise([before[-1], *after]))
    _note(remarks, "tempo changes dropped", changes)
    return round(60_000_000 / before[-1], 3)


def _key(file: MidiFile, first: int, remarks: Counter[str]) -> Key | None:
    known = [k for k in file.keys if -7 <= k[1] <= 7]
    _note(remarks, "key signatures without sense dropped", len(file.keys) - len(known))
    if not known:
        return None
    before = [k[1:] for k in known if k[0] <= first] or [known[0][1:]]
    after = [k[1:] for k in known if k[0] > first]
    _note(remarks, "key changes not kept", sum(a != b for a, b in pairwise([before[-1], *after])))
    sharps, is_minor = before[-1]
    for text in file.texts:
        if text.text.startswith(KEY_TEXT):
            key = _written_key(text.text.removeprefix(KEY_TEXT))
            # Who edits a file changes its signature and not our text beside it.
            if key and (key.sharps - sharps) % 12 == 0:
                return key
    if sharps == 0 and not is_minor and not after:
        return None
    return Key.from_signature(sharps, "minor" if is_minor else "major")


def _written_key(text: str) -> Key | None:
    """The key of a text such as 'D dorian', or None: a text of somebody else's."""
    try:
        return Key(*text.split(" "))
    except (InputError, TypeError):
        return None


def _chords(file: MidiFile) -> tuple[Chord, ...]:
    return tuple(
        Chord(_ticks(m.tick, file.per_quarter), m.text.removeprefix(CHORD_TEXT))
        for m in file.markers
        if m.text.startswith(CHORD_TEXT)
    )


def _title(file: MidiFile) -> str:
    """The name of the first track that has one, unless it only names an instrument."""
    name = next((n for n in file.names if n), "")
    parts = [part.strip() for part in name.split(",")]
    return "" if all(_NO_TITLE.fullmatch(p) for p in parts) else name
