"""From the note messages of a MIDI file to the notes of one voice."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from tunesmith.errors import InputError
from tunesmith.formats.midi_file import MidiFile, Track
from tunesmith.formats.midi_gate import without_gate
from tunesmith.melody import TICKS_PER_QUARTER, WHOLE, Note

_DRUMS = 9  # the tenth channel, counted from 0
_LEGATO = WHOLE // 32
"""An overlap of so many ticks is legato in any note that it is not half of."""


class _Sound(NamedTuple):
    """A note in the file's own ticks; `end` is None where no message ends it."""

    onset: int
    end: int | None
    pitch: int
    track_end: int


def scaled(tick: int, resolution: int) -> int:
    """A tick of the file as one of ours, rounded half up."""
    return (2 * tick * TICKS_PER_QUARTER + resolution) // (2 * resolution)


def voice(file: MidiFile, remarks: Counter[str], *, exact: bool) -> tuple[Note, ...]:
    """The one voice of a file, by onset, not overlapping.

    Args:
        file: its tracks and resolution.
        remarks: counts what was dropped, mended or rounded.
        exact: whether its lengths are meant to the tick; else those that a notation
            program shortened are made whole again.

    Raises:
        InputError: if it has no notes, or several sound together.
    """
    sounds = [sound for track in file.tracks for sound in _paired(track, remarks)]
    if not sounds:
        drums = remarks["drum notes left out"]
        raise InputError(
            "it has drums only" if drums else "it has no notes",
            remedy="give a file with a melody in it",
        )
    ended = _ended(sounds, remarks)
    written = ended if exact else without_gate(ended, file.resolution, remarks)
    notes = _in_ticks(written, file.resolution, remarks)
    if not notes:
        raise InputError("none of its notes has a length", remedy="export the file again")
    return _one_voice(_without_duplicates(notes, remarks), remarks)


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
    for (_, pitch), list_of_one in messages.items():
        beginnings = sum(begins for _, begins in list_of_one)
        ends_are_missing = 2 * beginnings > len(list_of_one)
        sounding: deque[int] = deque()
        for tick, begins in list_of_one:
            if not begins:
                if sounding:
                    yield _Sound(sounding.popleft(), tick, pitch, track.end)
                else:
                    remarks["ends of no note ignored"] += 1
                continue
            if ends_are_missing and sounding:
                onset = sounding.popleft()
                if onset == tick:
                    remarks["duplicated notes dropped"] += 1
                else:
                    remarks["notes without an end"] += 1
                    yield _Sound(onset, tick, pitch, track.end)
            sounding.append(tick)
        for onset in sounding:
            yield _Sound(onset, None, pitch, track.end)


def _ended(sounds: list[_Sound], remarks: Counter[str]) -> list[tuple[int, int, int]]:
    """(onset, end, pitch) by onset; a note without an end lasts to the next or its track's end."""
    done: list[tuple[int, int, int]] = []
    later: int | None = None  # the first onset after the one at hand
    at: int | None = None
    for onset, end, pitch, track_end in sorted(sounds, key=lambda s: -s.onset):
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


def _one_voice(notes: list[Note], remarks: Counter[str]) -> tuple[Note, ...]:
    """The notes with slight overlaps cut, or an error if others sound together."""
    voice: list[Note] = []
    together: list[Note] = []
    for note, following in pairwise(notes):
        overlap = note.end - following.onset
        if overlap > 0:
            shorter = min(note.duration, following.duration)
            if 2 * overlap > shorter or overlap > max(_LEGATO, shorter // 4):
                together.append(following)
                continue
            remarks["overlaps cut"] += 1
            note = Note(note.onset, note.duration - overlap, note.pitch)
        voice.append(note)
    if together:
        raise InputError(
            f"it is polyphonic: {len(together)} of its {len(notes)} notes begin while another "
            f"sounds, first at quarter {together[0].onset / TICKS_PER_QUARTER + 1:.6g}",
            remedy="give a file with the melody alone",
        )
    return (*voice, notes[-1])
