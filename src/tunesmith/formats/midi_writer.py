"""Writing one melody as a MIDI file of format 0, 480 ticks a quarter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tunesmith.errors import UsageError
from tunesmith.formats.midi_bars import meter_of_length
from tunesmith.melody import TICKS_PER_QUARTER, Key, Melody, Meter

MARK = "Tunesmith:"
"""How the text event begins by which our reader knows our files."""

_VELOCITY = 90
_PROGRAM = 0
_TEMPO = 120.0


def dumps(melodies: Sequence[Melody]) -> bytes:
    """Write a melody: programme 0, velocity 90, tempo 120 and C major where unknown.

    A pickup is a first bar with a metre of its own length, or, where no metre has
    that length, a second time signature inside the first bar. Silence at the end
    is kept by the place of the end of the track. What MIDI has no event for stands
    in a text event, 'Tunesmith: key=D dorian; tempo=unknown'. Spelling, chord
    symbols and origin are not written. The same melody gives the same bytes.

    Args:
        melodies: exactly one.

    Raises:
        UsageError: if it is not one, or too long or slow for the format.
    """
    if len(melodies) != 1:
        raise UsageError(
            f"a MIDI file holds one melody, not {len(melodies)}",
            remedy="write each to a file of its own, or several to an ABC file",
        )
    melody = melodies[0]
    # (tick, rank among events of that tick, bytes)
    events = [(0, 0, message) for message in _head(melody)]
    events += [(m.tick, 1, _time_signature(m)) for m in _written_meters(melody)]
    events += [(0, 2, message) for message in _key_and_tempo(melody)]
    for note in melody.notes:
        events.append((note.end, 3, bytes((0x80, note.pitch, 0))))
        events.append((note.onset, 4, bytes((0x90, note.pitch, _VELOCITY))))
    events.sort(key=lambda e: e[:2])
    events.append((melody.duration, 5, _meta(0x2F, b"")))
    body = bytearray()
    now = 0
    for tick, _, message in events:
        body += variable_length(tick - now) + message
        now = tick
    division = TICKS_PER_QUARTER.to_bytes(2)
    header = b"MThd" + (6).to_bytes(4) + bytes((0, 0, 0, 1)) + division
    return header + b"MTrk" + len(body).to_bytes(4) + bytes(body)


def _head(melody: Melody) -> list[bytes]:
    title = " ".join(melody.title.split())
    key = str(melody.key or "unknown") + (" (estimated)" if melody.key_is_estimated else "")
    mark = f"{MARK} key={key}" + ("; tempo=unknown" if melody.tempo is None else "")
    named = [_meta(0x03, title.encode("utf-8"))] if title else []
    return [*named, _meta(0x01, mark.encode("ascii"))]


def _written_meters(melody: Melody) -> list[Meter]:
    """The metres up to the end, with that of the pickup bar set before them."""
    meters = [m for m in melody.meters if m.tick < melody.duration]
    if not melody.pickup:
        return meters
    short = meter_of_length(0, melody.pickup, meters[0].denominator) or meters[0]
    after = replace(melody.meter_at(melody.pickup), tick=melody.pickup)
    return [short, after, *(m for m in meters if m.tick > melody.pickup)]


def _time_signature(meter: Meter) -> bytes:
    power = meter.denominator.bit_length() - 1
    clocks = min(255, 24 * meter.beat_ticks // TICKS_PER_QUARTER) or 1
    return _meta(0x58, bytes((meter.numerator, power, clocks, 8)))


def _key_and_tempo(melody: Melody) -> list[bytes]:
    key = melody.key or Key("C")
    # More than seven sharps or flats cannot be written: G# major becomes Ab major.
    sharps = key.sharps if -7 <= key.sharps <= 7 else (key.sharps + 6) % 12 - 6
    tempo = melody.tempo or _TEMPO
    microseconds = round(60_000_000 / tempo)
    if microseconds >= 1 << 24:
        raise UsageError(
            f"a tempo of {tempo} quarters a minute is too slow for MIDI",
            where=melody.title,
            remedy="give 3.6 or more",
        )
    return [
        _meta(0x59, bytes((sharps & 0xFF, key.mode == "minor"))),
        _meta(0x51, microseconds.to_bytes(3)),
        bytes((0xC0, _PROGRAM)),
    ]


def _meta(kind: int, data: bytes) -> bytes:
    return bytes((0xFF, kind)) + variable_length(len(data)) + data


def variable_length(value: int) -> bytes:
    """A number in MIDI's variable length, seven bits a byte."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))
