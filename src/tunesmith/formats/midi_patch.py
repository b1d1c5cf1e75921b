"""A MIDI file in which some notes of its melody are others, and all else is as it was.

Other tracks, channels, velocities, controllers, tempos and texts stay byte for byte; only the
times between events are written anew where something came or went.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tunesmith.errors import InputError
from tunesmith.formats.midi_file import DATA_BYTES, END_OF_TRACK, number, parse
from tunesmith.formats.midi_notes import scaled
from tunesmith.formats.midi_writer import variable_length
from tunesmith.melody import TICKS_PER_QUARTER, Melody, Note

_VELOCITY = 90


@dataclass
class _Event:
    tick: int
    data: bytes
    gone: bool = False


@dataclass
class _Track:
    """The events of a track; `ends` and `begins` are what is new, put at their ticks."""

    events: list[_Event]
    ends: list[_Event] = field(default_factory=list)
    begins: list[_Event] = field(default_factory=list)


@dataclass(frozen=True)
class _Sound:
    """A note of the file: where its two messages are."""

    track: _Track
    begin: _Event
    end: _Event | None
    onset: int  # in our ticks

    @property
    def channel(self) -> int:
        return self.begin.data[0] & 0x0F

    @property
    def pitch(self) -> int:
        return self.begin.data[1]


def patched(data: bytes, before: Melody, after: Melody) -> bytes:
    """The file with the notes that `after` has and `before` has not, and the other way round.

    New notes take track, channel and velocity of the nearest note of the melody.

    Args:
        data: the file.
        before: its melody, as it was read.
        after: the melody that it is to have.

    Raises:
        InputError: if the melody's notes do not stand in the file as they were read: in a
            file that was played, whose notes were moved to the beat.
    """
    if data[:4] == b"RIFF":
        data = data[max(0, data.find(b"MThd")) :]
    resolution = parse(data).resolution  # with all its refusals
    chunks = list(_chunks(data))
    tracks = [_Track(list(_events(body))) for kind, body in chunks if kind == b"MTrk"]
    sounds = [s for track in tracks for s in _sounds(track, resolution)]
    shift, found = _located(before.notes, sounds)
    stay = {(n.onset, n.duration, n.pitch) for n in after.notes}
    for note, sound in zip(before.notes, found, strict=True):
        if (note.onset, note.duration, note.pitch) not in stay:
            sound.begin.gone = True
            if sound.end:
                sound.end.gone = True
    had = {(n.onset, n.duration, n.pitch) for n in before.notes}
    for note in after.notes:
        if (note.onset, note.duration, note.pitch) not in had:
            _put(note, shift, resolution, found)
    bodies = iter([_written(track) for track in tracks])
    parts = [data[: 8 + int.from_bytes(data[4:8])]]
    for kind, body in chunks:
        new = next(bodies) if kind == b"MTrk" else body
        parts.append(kind + len(new).to_bytes(4) + new)
    return b"".join(parts)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8 + int.from_bytes(data[4:8])
    while at + 8 <= len(data) and data[at : at + 4].isalnum():
        length = int.from_bytes(data[at + 4 : at + 8])
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length


def _events(data: bytes) -> Iterator[_Event]:
    """Every event with its status written out; the file was parsed before, so it is sound."""
    at = tick = status = 0
    while at < len(data):
        delta, at = number(data, at)
        tick += delta
        begin, byte = at, data[at]
        if byte == 0xFF or byte in (0xF0, 0xF7):
            length, at = number(data, at + (2 if byte == 0xFF else 1))
            at += length
            yield _Event(tick, data[begin:at])
            if byte == 0xFF and data[begin + 1] == END_OF_TRACK:
                return
            continue
        if byte & 0x80:
            status, at = byte, at + 1
        size = DATA_BYTES[status & 0xF0]
        yield _Event(tick, bytes((status,)) + data[at : at + size])
        at += size


def _sounds(track: _Track, resolution: int) -> Iterator[_Sound]:
    """Beginnings with their ends: each end is that of the oldest note of its pitch."""
    sounding: dict[tuple[int, int], deque[_Event]] = {}
    for event in track.events:
        status = event.data[0]
        if status & 0xE0 != 0x80:
            continue
        waiting = sounding.setdefault((status & 0x0F, event.data[1]), deque())
        if status >= 0x90 and event.data[2]:
            waiting.append(event)
        elif waiting:
            begin = waiting.popleft()
            yield _Sound(track, begin, event, scaled(begin.tick, resolution))
    for waiting in sounding.values():
        for begin in waiting:
            yield _Sound(track, begin, None, scaled(begin.tick, resolution))


def _located(notes: Sequence[Note], sounds: Sequence[_Sound]) -> tuple[int, list[_Sound]]:
    """Each note's place in the file, and how much later it is there.

    One channel of one track that has all of them is taken; else all together.
    """
    groups: dict[tuple[int, int], list[_Sound]] = {}
    for sound in sounds:
        groups.setdefault((id(sound.track), sound.channel), []).append(sound)
    for group in [*groups.values(), sounds]:
        places: dict[tuple[int, int], _Sound] = {}
        for sound in group:
            places.setdefault((sound.onset, sound.pitch), sound)
        first = notes[0]
        for shift in sorted({s.onset - first.onset for s in group if s.pitch == first.pitch}):
            found = [places.get((n.onset + shift, n.pitch)) for n in notes]
            if shift >= 0 and all(found):
                return shift, [s for s in found if s]
    raise InputError(
        "its notes were moved to the beat when it was read, so they do not stand in the file",
        remedy="the melody alone can be written",
    )


def _put(note: Note, shift: int, resolution: int, melody: Sequence[_Sound]) -> None:
    """Put a new note beside the nearest of the melody."""
    near = min(melody, key=lambda s: abs(s.onset - shift - note.onset))
    begin, end = (
        (2 * (t + shift) * resolution + TICKS_PER_QUARTER) // (2 * TICKS_PER_QUARTER)
        for t in (note.onset, note.end)
    )
    velocity = near.begin.data[2] or _VELOCITY
    near.track.begins.append(_Event(begin, bytes((0x90 | near.channel, note.pitch, velocity))))
    near.track.ends.append(_Event(end, bytes((0x80 | near.channel, note.pitch, 64))))


def _written(track: _Track) -> bytes:
    """The track's bytes: at each tick first new ends, then what was there, then beginnings.

    So a note ends before the same pitch begins again, and programs are set before notes sound.
    """
    kept = [e for e in track.events if not e.gone]
    marks = [e for e in kept if e.data[:2] == bytes((0xFF, END_OF_TRACK))]
    ordered = sorted(
        [(e.tick, 0, e) for e in track.ends]
        + [(e.tick, 1, e) for e in kept if e not in marks]
        + [(e.tick, 2, e) for e in track.begins],
        key=lambda entry: entry[:2],
    )
    last = max([tick for tick, _, _ in ordered] + [e.tick for e in marks], default=0)
    body, now = bytearray(), 0
    for tick, _, event in ordered:
        body += variable_length(tick - now) + event.data
        now = tick
    return bytes(body + variable_length(last - now) + bytes((0xFF, END_OF_TRACK, 0)))
