"""Writing MIDI: one melody as a file of format 0, 480 ticks a quarter."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.errors import UsageError
from tunesmith.melody import TICKS_PER_QUARTER, WHOLE, Key, Melody, Meter

MADE_HERE = "Tunesmith: times are exact"
"""A text in every file written here. Where it stands, the reader mends nothing."""
KEY_TEXT = "key: "
CHORD_TEXT = "chord: "

VELOCITY = 90
DEFAULT_TEMPO = 120.0
_SLOWEST = 60_000_000 / 0xFFFFFF  # what three bytes of microseconds a quarter hold
_OFF, _META, _ON = 0, 1, 2  # order at one tick: what ends, what holds, what begins


def dumps(melodies: Sequence[Melody]) -> bytes:
    """A melody as a MIDI file, the same bytes for the same melody.

    One track: programme 0, velocity 90, notes that end on time; tempo (120 where
    the melody has none), metres and key signature (C major where the key is not
    known) always. A pickup is a short metre and then the real one. The title is
    the track's name. MIDI's signature knows major and minor only, so the key
    stands beside it as a text 'key: D dorian'; chord symbols are markers
    'chord: Dm7'. The end of the track keeps a rest at the end. Spellings are lost.

    Raises:
        UsageError: not exactly one melody, or a tempo under 3.6.
    """
    if len(melodies) != 1:
        raise UsageError(
            f"a MIDI file holds one melody, not {len(melodies)}",
            remedy="write each to its own file, or all to one .abc",
        )
    melody = melodies[0]
    tempo = DEFAULT_TEMPO if melody.tempo is None else melody.tempo
    if tempo < _SLOWEST:
        raise UsageError(
            f"MIDI knows no tempo as slow as {tempo:g}", remedy="use 3.6 quarters a minute or more"
        )
    events: list[tuple[int, int, bytes]] = []
    if melody.title:
        events.append((0, _META, _meta(0x03, melody.title.encode("utf-8", "replace"))))
    events.append((0, _META, _meta(0x01, MADE_HERE.encode())))
    events.append((0, _META, _meta(0x51, round(60_000_000 / tempo).to_bytes(3))))
    events += [(m.tick, _META, _meter(m)) for m in _written_meters(melody)]
    events.append((0, _META, _signature(melody.key)))
    if melody.key:
        events.append((0, _META, _meta(0x01, f"{KEY_TEXT}{melody.key}".encode())))
    events += [
        (c.tick, _META, _meta(0x06, f"{CHORD_TEXT}{c.symbol}".encode("utf-8", "replace")))
        for c in melody.chords
    ]
    events.append((0, _META, b"\xc0\x00"))
    for note in melody.notes:
        events.append((note.onset, _ON, bytes((0x90, note.pitch, VELOCITY))))
        events.append((note.end, _OFF, bytes((0x80, note.pitch, 64))))
    events.sort(key=lambda e: e[:2])
    events.append((melody.duration, _META, _meta(0x2F, b"")))
    body = bytearray()
    now = 0
    for tick, _, event in events:
        body += _number(tick - now) + event
        now = tick
    header = b"".join(n.to_bytes(2) for n in (0, 1, TICKS_PER_QUARTER))
    return b"MThd" + len(header).to_bytes(4) + header + b"MTrk" + len(body).to_bytes(4) + body


def _number(value: int) -> bytes:
    """A number as MIDI has it: seven bits a byte, all but the last with the high bit."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def _meta(kind: int, body: bytes) -> bytes:
    return bytes((0xFF, kind)) + _number(len(body)) + body


def _meter(meter: Meter) -> bytes:
    clocks = max(1, min(255, meter.beat_ticks * 24 // TICKS_PER_QUARTER))
    exponent = meter.denominator.bit_length() - 1
    return _meta(0x58, bytes((meter.numerator, exponent, clocks, 8)))


def _signature(key: Key | None) -> bytes:
    if key is None:
        return _meta(0x59, b"\x00\x00")
    if not -7 <= key.sharps <= 7:  # G# major and the like: MIDI ends at seven
        key = Key.from_pitch_class(key.pitch_class, key.mode)
    has_minor_third = key.mode in ("minor", "dorian", "phrygian", "locrian")
    return _meta(0x59, bytes((key.sharps % 256, has_minor_third)))


def _written_meters(melody: Melody) -> list[Meter]:
    """The metres as the file has them, the pickup as a first bar of its own."""
    meters = list(melody.meters)
    if not melody.pickup:
        return meters
    first = meters[0]
    if len(meters) == 1 or meters[1].tick != melody.pickup:
        meters.insert(1, Meter(melody.pickup, first.numerator, first.denominator))
    meters[0] = _meter_of(melody.pickup, first.denominator) or first
    return meters


def _meter_of(ticks: int, denominator: int) -> Meter | None:
    """The metre in which a bar lasts that long, with the smallest lower number from there up."""
    while denominator <= 64:
        if ticks * denominator % WHOLE == 0 and ticks * denominator // WHOLE <= 255:
            return Meter(0, ticks * denominator // WHOLE, denominator)
        denominator *= 2
    return None
