"""From the note messages of a MIDI file to the notes of one voice.

A file whose notes of all tracks make one voice is taken whole. Else one track, or one
channel of a file with a single track, is chosen (see `tracks`), and of its notes that
sound together the highest; or the highest of all tracks, the skyline.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import NamedTuple

from tunesmith.errors import InputError
from tunesmith.formats.midi_beat import is_played, on_the_beat
from tunesmith.formats.midi_file import MidiFile, Track
from tunesmith.formats.midi_gate import without_gate
from tunesmith.formats.tracks import AUTO, SKYLINE, Part, is_legato, pick
from tunesmith.melody import TICKS_PER_QUARTER, Note

_DRUMS = 9  # the tenth channel, counted from 0
_TRACK_NAME = 0x03
_SLIPS = 0.05
_ALL_HIGHEST = "the highest notes of all tracks taken"


class _Sound(NamedTuple):
    """A note in the file's own ticks; `end` is None where no message ends it."""

    onset: int
    end: int | None
    pitch: int
    track_end: int
    channel: int


def scaled(tick: int, resolution: int) -> int:
    """A tick of the file as one of ours, rounded half up."""
    return (2 * tick * TICKS_PER_QUARTER + resolution) // (2 * resolution)


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice out of a file.

    Attributes:
        notes: by onset, not overlapping.
        details: which track was taken, in words; () where all are one voice.
        others: the names of the tracks that were not taken.
        tempo: quarters a minute of estimated beats, from tick 0 on; None where the
            file's own hold.
    """

    notes: tuple[Note, ...]
    details: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()
    tempo: float | None = None


def voice(
    file: MidiFile,
    remarks: Counter[str],
    *,
    exact: bool,
    track: str = AUTO,
    tempo: float | None = None,
) -> Voice:
    """The one voice of a file; if it was played, moved to the beat (see `midi_beat`).

    Args:
        file: its tracks and resolution.
        remarks: counts what was dropped, mended or rounded.
        exact: whether its lengths are meant to the tick; else those that a notation
            program shortened are made whole again.
        track: 'auto', 'skyline', a number as listed, or a piece of a name.
        tempo: the quarters a minute that the file says.

    Raises:
        InputError: if it has no notes, or several sound together and none of its
            tracks is the one asked for or stands out.
    """
    groups = _groups(file, remarks)
    if not groups:
        drums = remarks["drum notes left out"]
        raise InputError(
            "it has drums only" if drums else "it has no notes",
            remedy="give a file with a melody in it",
        )
    everything = [sound for _, sounds in groups for sound in sounds]
    if track in (AUTO, SKYLINE):
        tried = Counter[str]()
        ended = _ended(everything, tried)
        if track == SKYLINE or _is_one_voice(ended, file.resolution, exact=exact):
            remarks.update(tried)
            found = _on_grid(ended, file.resolution, remarks, exact=exact, tempo=tempo)
            line = _one_voice(found.notes, remarks)
            details = (*[_ALL_HIGHEST] * (track == SKYLINE and not line), *found.details)
            return replace(found, notes=line or skyline(found.notes, remarks), details=details)
    parts = [
        Part(number, name, _ended(sounds, Counter()), file.resolution)
        for number, (name, sounds) in enumerate(groups, 1)
    ]
    part = pick(parts, track)
    ended = _ended(groups[part.number - 1][1], remarks)
    found = _on_grid(ended, file.resolution, remarks, exact=exact, tempo=tempo)
    notes = _one_voice(found.notes, remarks) or skyline(found.notes, remarks)
    if len(parts) == 1:
        return replace(found, notes=notes)
    remarks["notes of other tracks left out"] += len(everything) - len(part.sounds)
    return replace(
        found,
        notes=notes,
        details=(f"of {len(parts)} tracks taken: {part}", *found.details),
        others=frozenset(p.name for p in parts) - {part.name},
    )


def _groups(file: MidiFile, remarks: Counter[str]) -> list[tuple[str, list[_Sound]]]:
    """(name, notes) of each track that has any, or of each channel if only one track has."""
    groups: list[tuple[str, list[_Sound]]] = []
    with_notes = [t for t in file.tracks if any(n[1] != _DRUMS for n in t.notes)]
    for track in file.tracks:
        sounds = list(_paired(track, remarks))
        if not sounds:
            continue
        channels = sorted({s.channel for s in sounds})
        if len(with_notes) == 1 and len(channels) > 1:
            groups += [
                (f"channel {c + 1}", [s for s in sounds if s.channel == c]) for c in channels
            ]
        else:
            groups.append((_name(track), sounds))
    return groups


def _name(track: Track) -> str:
    names = (decoded(data) for _, kind, data in track.metas if kind == _TRACK_NAME)
    return next((" ".join(n.replace("\0", " ").split()) for n in names), "")


def decoded(data: bytes) -> str:
    """The text of a meta event: UTF-8, or else Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _is_one_voice(sounds: list[tuple[int, int, int]], resolution: int, *, exact: bool) -> bool:
    """Whether the notes of all tracks, as they are to be read, make one voice.

    In a played file a slip between two notes may be larger, if there are few.
    """
    if not exact and is_played(sounds, resolution):
        return Part(1, "", sounds, resolution).overlap <= _SLIPS
    written = sounds if exact else without_gate(sounds, resolution, Counter())
    notes = _in_ticks(written, resolution, Counter())
    return not notes or bool(_one_voice(_without_duplicates(notes, Counter()), Counter()))


def _on_grid(
    sounds: list[tuple[int, int, int]],
    resolution: int,
    remarks: Counter[str],
    *,
    exact: bool,
    tempo: float | None,
) -> Voice:
    """Notes in our ticks, by onset and pitch; those that sound together are still there."""
    beaten = None
    if not exact and is_played(sounds, resolution):
        alone = Part(1, "", sounds, resolution).overlap <= _SLIPS
        beaten = on_the_beat(sounds, resolution, tempo, remarks, is_one_voice=alone)
        sounds, resolution = beaten.sounds, TICKS_PER_QUARTER
    elif not exact:
        sounds = without_gate(sounds, resolution, remarks)
    notes = _in_ticks(sounds, resolution, remarks)
    if not notes:
        raise InputError("none of its notes has a length", remedy="export the file again")
    apart = tuple(_without_duplicates(notes, remarks))
    return Voice(apart, (beaten.detail,), tempo=beaten.tempo) if beaten else Voice(apart)


def _paired(track: Track, remarks: Counter[str]) -> Iterator[_Sound]:
    """The beginnings and ends of a track put together.

    For a pitch with as many ends as beginnings, each end is that of the oldest note
    still sounding; where ends are missing, a new beginning ends the note before it.
    """
    messages: dict[tuple[int, int], list[tuple[int, bool]]] = {}
    for tick, channel, pitch, begins in track.notes:
        if channel == _DRUMS:
            remarks["drum notes left out"] += begins
        else:
            messages.setdefault((channel, pitch), []).append((tick, begins))
    for (channel, pitch), list_of_one in messages.items():
        beginnings = sum(begins for _, begins in list_of_one)
        ends_are_missing = 2 * beginnings > len(list_of_one)
        sounding: deque[int] = deque()
        for tick, begins in list_of_one:
            if not begins:
                if sounding:
                    yield _Sound(sounding.popleft(), tick, pitch, track.end, channel)
                else:
                    remarks["ends of no note ignored"] += 1
                continue
            if ends_are_missing and sounding:
                onset = sounding.popleft()
                if onset == tick:
                    remarks["duplicated notes dropped"] += 1
                else:
                    remarks["notes without an end"] += 1
                    yield _Sound(onset, tick, pitch, track.end, channel)
            sounding.append(tick)
        for onset in sounding:
            yield _Sound(onset, None, pitch, track.end, channel)


def _ended(sounds: list[_Sound], remarks: Counter[str]) -> list[tuple[int, int, int]]:
    """(onset, end, pitch) by onset; a note without an end lasts to the next or its track's end."""
    done: list[tuple[int, int, int]] = []
    later: int | None = None  # the first onset after the one at hand
    at: int | None = None
    for onset, end, pitch, track_end, _ in sorted(sounds, key=lambda s: -s.onset):
        if onset != at:
            later, at = at, onset
        if end is None:
            remarks["notes without an end"] += 1
            end = track_end if later is None else later
        done.append((onset, end, pitch))
    return sorted(done)


def _in_ticks(
    sounds: list[tuple[int, int, int]], resolution: int, remarks: Counter[str]
) -> list[Note]:
    notes: list[Note] = []
    for onset, end, pitch in sounds:
        if onset == end:
            remarks["notes of no length dropped"] += 1
            continue
        first, last = scaled(onset, resolution), scaled(end, resolution)
        if first == last:
            remarks["notes shorter than a tick dropped"] += 1
            continue
        if onset * TICKS_PER_QUARTER % resolution or end * TICKS_PER_QUARTER % resolution:
            remarks["notes rounded to the tick"] += 1
        notes.append(Note(first, last - first, pitch))
    return notes


def _without_duplicates(notes: list[Note], remarks: Counter[str]) -> list[Note]:
    """By onset; of notes with the same onset and pitch only the longest."""
    kept: dict[tuple[int, int], Note] = {}
    for note in notes:
        place = (note.onset, note.pitch)
        if place in kept:
            remarks["duplicated notes dropped"] += 1
            if kept[place].duration >= note.duration:
                continue
        kept[place] = note
    return [kept[place] for place in sorted(kept)]


def _one_voice(notes: Sequence[Note], remarks: Counter[str]) -> tuple[Note, ...]:
    """The notes with slight overlaps cut; () if others sound together."""
    voice: list[Note] = []
    for note, following in pairwise(notes):
        if note.end > following.onset:
            if not _is_legato(note, following):
                return ()
            remarks["overlaps cut"] += 1
            note = Note(note.onset, following.onset - note.onset, note.pitch)
        voice.append(note)
    return (*voice, notes[-1])


def _is_legato(note: Note, following: Note) -> bool:
    overlap = note.end - following.onset
    return is_legato(overlap, note.duration, following.duration, TICKS_PER_QUARTER)


def skyline(notes: Sequence[Note], remarks: Counter[str]) -> tuple[Note, ...]:
    """The highest sounding note at each onset; after Uitdenbogerd and Zobel (1998).

    A note that begins below one that sounds on is left out; one above which another
    begins ends there. Slight overlaps are legato, as in a single voice.

    Args:
        notes: at least one, by onset.
        remarks: counts what was left out or cut.
    """
    line: list[Note] = []
    sounding: dict[int, Note] = {}  # by pitch, of each the one that ends last
    for _, together in groupby(notes, key=lambda n: n.onset):
        *lower, top = sorted(together, key=lambda n: n.pitch)
        remarks["notes under a higher one left out"] += len(lower)
        half = top.onset + top.duration // 2  # what sounds beyond it is never legato
        sounding = {
            pitch: n
            for pitch, n in sounding.items()
            if n.end > half or (n.end > top.onset and not _is_legato(n, top))
        }
        is_covered = max(sounding, default=-1) >= top.pitch
        for note in (*lower, top):
            held = sounding.get(note.pitch, note)
            sounding[note.pitch] = max(held, note, key=lambda n: n.end)
        if is_covered:
            remarks["notes under a higher one left out"] += 1
            continue
        if line and line[-1].end > top.onset:
            last = line[-1]
            kind = "overlaps cut" if _is_legato(last, top) else "notes cut by a higher one"
            remarks[kind] += 1
            line[-1] = Note(last.onset, top.onset - last.onset, last.pitch)
        line.append(top)
    return tuple(line)
