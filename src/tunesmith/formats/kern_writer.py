"""Writing melodies as Humdrum **kern, chord symbols in a **mxhm spine beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tunesmith.formats.abc_fields import signature_of
from tunesmith.formats.layout import Event, LaidBar, lay_out
from tunesmith.melody import WHOLE, Chord, Key, Melody
from tunesmith.theory import octave_of

_MODES = {
    "major": "", "minor": "", "dorian": "dor", "phrygian": "phr", "lydian": "lyd",
    "mixolydian": "mix", "locrian": "loc",
}  # fmt: skip
_WITH_MINOR_THIRD = ("minor", "dorian", "phrygian", "locrian")
_BASS_BELOW = 55  # a melody whose middle note is under G3 stands in the bass clef


def dumps(melodies: Sequence[Melody]) -> bytes:
    """The melodies as one kern file in UTF-8; several are segments of it.

    Times that no note value or tuplet can spell are moved as `lay_out` says. A note
    under which the chord symbol changes is written as tied ones.
    """
    if len(melodies) == 1:
        return _tune(melodies[0]).encode()
    texts = (f"!!!!SEGMENT: {n}\n{_tune(melody)}" for n, melody in enumerate(melodies, 1))
    return "".join(texts).encode()


def _tune(melody: Melody) -> str:
    rows: list[tuple[str, str]] = [("**kern", "**mxhm")]
    is_low = sorted(melody.pitches)[len(melody.pitches) // 2] < _BASS_BELOW
    rows.append(("*clefF4" if is_low else "*clefG2", "*"))
    if melody.key:
        rows += [(_signature(melody.key), "*"), (_key(melody.key), "*")]
    # The metre of the first bar stands before its tempo and barline.
    rows.append((f"*M{melody.meters[0]}",) * 2)
    if melody.tempo is not None:
        tempo = f"{melody.tempo:.6f}".rstrip("0").rstrip(".")
        rows.append((f"*MM{tempo}", "*"))
    bars = lay_out(melody).bars
    for n, laid in enumerate(bars):
        number = n if melody.pickup else n + 1
        if number:
            rows.append((f"={number}" if n else "=1-",) * 2)
        if n and laid.meter_changes:
            rows.append((f"*M{laid.bar.meter}",) * 2)
        rows += _bar(laid)
    rows.append(("==", "=="))
    # What begins as the last bar ends has its own row after it.
    end = bars[-1].events[-1].end
    if late := [c for c in melody.chords if c.tick >= end]:
        rows.append((".", _symbols(late)))
    rows.append(("*-", "*-"))
    title = " ".join(melody.title.splitlines()).strip()
    lines = [f"!!!OTL: {title}"] if title else []
    lines += ["\t".join(row) if melody.chords else row[0] for row in rows]
    return "\n".join(lines) + "\n"


def _signature(key: Key) -> str:
    order = "FCGDAEB" if key.sharps > 0 else "BEADGCF"
    alters = signature_of(key.sharps)
    signs = (
        x.lower() + ("#" if alters[x] > 0 else "-") * abs(alters[x]) for x in order if x in alters
    )
    return f"*k[{''.join(signs)}]"


def _key(key: Key) -> str:
    tonic = key.tonic.replace("b", "-")
    if key.mode in _WITH_MINOR_THIRD:
        tonic = tonic.lower()
    return f"*{tonic}:{_MODES[key.mode]}"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A note or rest as written, or the part of one between two chord symbols."""

    recip: str
    tie_start: bool
    tie_stop: bool
    chords: tuple[Chord, ...]


def _bar(laid: LaidBar) -> Iterator[tuple[str, str]]:
    chords = list(laid.chords)
    for event in laid.events:
        here: list[Chord] = []
        while chords and chords[0].tick < event.end:
            here.append(chords.pop(0))
        for piece in _pieces(event, here):
            yield _token(event, piece), _symbols(piece.chords)


def _pieces(event: Event, chords: Sequence[Chord]) -> Iterator[_Piece]:
    """An event cut where chord symbols change."""
    by_tick: dict[int, tuple[Chord, ...]] = {}
    for chord in chords:
        at = max(chord.tick, event.onset)
        by_tick[at] = (*by_tick.get(at, ()), chord)
    ticks = sorted({event.onset, *by_tick})
    if len(ticks) == 1:
        here = by_tick.get(event.onset, ())
        yield _Piece(_recip(event), event.tie_start, event.tie_stop, here)
        return
    length = Fraction(1) / _units(event) * WHOLE  # exactly, where the event's ticks are rounded
    ends = [Fraction(t - event.onset) for t in ticks[1:]] + [length]
    start = Fraction(0)
    for tick, end in zip(ticks, ends, strict=True):
        yield _Piece(
            _recip_of((end - start) / WHOLE),
            event.tie_start or end < length,
            event.tie_stop or start > 0,
            by_tick.get(tick, ()),
        )
        start = end


def _units(event: Event) -> Fraction:
    """How many such events make a whole note."""
    actual, normal = event.tuplet or (1, 1)
    dotted = Fraction(2 ** (event.dots + 1) - 1, 2**event.dots)
    return Fraction(actual, normal) / (event.value * dotted)


def _recip(event: Event) -> str:
    actual, normal = event.tuplet or (1, 1)
    return _plain(Fraction(actual, normal) / event.value) + "." * event.dots


def _recip_of(length: Fraction) -> str:
    """A length, as part of a whole note, with a dot where that is plainer."""
    for dots, factor in ((0, Fraction(1)), (1, Fraction(2, 3))):
        units = 1 / (length * factor)
        if units.denominator == 1:
            return _plain(units) + "." * dots
    return _plain(1 / length)


def _plain(units: Fraction) -> str:
    """Units to a whole note as a recip: 4 '4', 1/2 '0', 3/2 '3%2'."""
    if units == Fraction(1, 2):
        return "0"
    below = f"%{units.denominator}" if units.denominator > 1 else ""
    return f"{units.numerator}{below}"


def _token(event: Event, piece: _Piece) -> str:
    if event.pitch is None:
        return f"{piece.recip}r"
    octave = octave_of(event.pitch, event.name)
    letter = event.name[0].lower() * (octave - 3) if octave >= 4 else event.name[0] * (4 - octave)
    note = piece.recip + letter + event.name[1:].replace("b", "-")
    if piece.tie_start:
        return f"{note}_" if piece.tie_stop else f"[{note}"
    return f"{note}]" if piece.tie_stop else note


def _symbols(chords: Sequence[Chord]) -> str:
    return " ".join(" ".join(c.symbol for c in chords).split()) or "."
