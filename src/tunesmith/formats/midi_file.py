"""The bytes of a MIDI file taken apart: chunks, tracks, events.

After the Standard MIDI File specification 1.1 (1996). Written out here, in plain
Python, because a broken file must never do worse than raise one clear error, and
because what a file leaves unfinished (a note without an end) has to be counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tunesmith.errors import InputError

_AGAIN = "get or export the file again"
DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
"""How many bytes follow a status."""
END_OF_TRACK = 0x2F
_LARGEST = 2 * 1024 * 1024
_MOST_TRACKS = 1000
_MOST_EVENTS = 200_000
"""What a file may have: bytes, tracks, and messages of notes and meta events in all."""


@dataclass(slots=True)
class Track:
    """The events of one track, in order; times in the file's own ticks from its start.

    Attributes:
        notes: (tick, channel 0 to 15, pitch, whether it begins) of each note message;
            a note-on of velocity 0 is an end.
        metas: (tick, type, data) of each meta event but the end of the track.
        end: the tick at which it ends.
    """

    notes: list[tuple[int, int, int, bool]] = field(default_factory=list)
    metas: list[tuple[int, int, bytes]] = field(default_factory=list)
    end: int = 0


@dataclass(frozen=True, slots=True)
class MidiFile:
    """A whole file.

    Attributes:
        resolution: ticks a quarter, 1 or more.
        tracks: all that sound together.
        remarks: what was odd, counted.
    """

    resolution: int
    tracks: list[Track]
    remarks: Counter[str]


def parse(data: bytes) -> MidiFile:
    """Take a MIDI file apart; also one inside a RIFF wrapper (.rmi).

    Raises:
        InputError: if it is no MIDI file, is cut short or breaks the format's rules,
            counts time in SMPTE frames, or is of format 2.
    """
    if len(data) > _LARGEST:
        raise InputError(f"it is larger than {_LARGEST // 1024**2} MB", remedy="cut it into tunes")
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = data[max(0, data.find(b"MThd")) :]
    if data[:4] != b"MThd":
        raise InputError(
            "it is no MIDI file (it does not begin with 'MThd')",
            remedy="check the file and its extension",
        )
    if len(data) < 14:
        raise InputError("it is cut short inside its header", remedy=_AGAIN)
    header_length = int.from_bytes(data[4:8])
    kind, count, division = (int.from_bytes(data[i : i + 2]) for i in (8, 10, 12))
    if header_length < 6 or kind > 2:
        raise InputError("its header makes no sense", remedy=_AGAIN)
    if kind == 2:
        raise InputError(
            "it is of MIDI format 2, separate patterns that do not sound together",
            remedy="export it as format 0 or 1",
        )
    if division & 0x8000:
        raise InputError(
            "it counts time in SMPTE frames, not in parts of a beat, so it has no bars",
            remedy="export it with ticks a quarter note",
        )
    if division == 0:
        raise InputError("its header says 0 ticks a quarter note", remedy=_AGAIN)
    remarks: Counter[str] = Counter()
    tracks = _tracks(data, 8 + header_length, count, remarks)
    return MidiFile(division, tracks, remarks)


def _tracks(data: bytes, at: int, count: int, remarks: Counter[str]) -> list[Track]:
    tracks: list[Track] = []
    events = 0
    while at + 8 <= len(data) and data[at : at + 4].isalnum():
        length, begin = int.from_bytes(data[at + 4 : at + 8]), at + 8
        if begin + length > len(data):
            raise InputError(
                f"it is cut short: a chunk of {length} bytes begins at byte {at}, "
                f"but only {len(data) - begin} follow",
                remedy=_AGAIN,
            )
        if data[at : at + 4] == b"MTrk":
            body = data[begin : begin + length]
            tracks.append(_track(body, f"track {len(tracks) + 1}", remarks))
            events += len(tracks[-1].notes) + len(tracks[-1].metas)
            if len(tracks) > _MOST_TRACKS or events > _MOST_EVENTS:
                raise InputError(
                    f"it has more than {_MOST_TRACKS} tracks or {_MOST_EVENTS} events",
                    remedy="export the melody's track alone",
                )
        at = begin + length
    if len(tracks) < count:
        raise InputError(
            f"it is cut short: its header promises {count} tracks, it has {len(tracks)}",
            remedy=_AGAIN,
        )
    if at < len(data):
        remarks["bytes after the last track ignored"] += len(data) - at
    return tracks


def _track(data: bytes, name: str, remarks: Counter[str]) -> Track:
    track = Track()
    try:
        ended = _walk(data, track)
    except IndexError:
        raise InputError("it ends in the middle of an event", where=name, remedy=_AGAIN) from None
    except InputError as e:
        raise e.at(name) from None
    if not ended:
        remarks["tracks without an end mark"] += 1
    return track


def _walk(data: bytes, track: Track) -> bool:
    """Fill the track from its bytes; whether its end was marked."""
    at = tick = status = 0
    while at < len(data):
        delta, at = number(data, at)
        tick += delta
        track.end = tick
        byte = data[at]
        if byte == 0xFF or byte in (0xF0, 0xF7):
            meta_type = data[at + 1] if byte == 0xFF else None
            length, begin = number(data, at + (2 if byte == 0xFF else 1))
            at = begin + length
            if at > len(data):
                raise IndexError
            if meta_type == END_OF_TRACK:
                return True
            if meta_type is not None:
                track.metas.append((tick, meta_type, data[begin:at]))
            continue
        if byte & 0x80:
            status, at = byte, at + 1
        if status & 0xF0 not in DATA_BYTES:
            what = f"0x{byte:02X}" if status else "data without a command before it"
            raise InputError(f"byte {at} is no event of a MIDI file ({what})", remedy=_AGAIN)
        first, at = data[at], at + 1
        second = 0
        if DATA_BYTES[status & 0xF0] == 2:
            second, at = data[at], at + 1
        if (first | second) & 0x80:
            raise InputError(f"byte {at - 1} should be data but is a command", remedy=_AGAIN)
        if status & 0xE0 == 0x80:  # note on or off
            track.notes.append((tick, status & 0x0F, first, status >= 0x90 and second > 0))
    return False


def number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, at most four bytes, and the place after it."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value = byte & 0x7F
    for i in range(at + 1, at + 4):
        byte = data[i]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, i + 1
    raise InputError(f"the number at byte {at} is too long", remedy=_AGAIN)
