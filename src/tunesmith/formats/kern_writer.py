"""Writing melodies as Humdrum **kern, chord symbols in a **mxhm spine beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from tunesmith.formats.abc_fields import signature_of
from tunesmith.formats.layout import Event, LaidBar, Piece, lay_out
from tunesmith.melody import Chord, Key, Melody
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


def _bar(laid: LaidBar) -> Iterator[tuple[str, str]]:
    for event, pieces in zip(laid.events, laid.pieces(), strict=True):
        for piece in pieces:
            here = [c for c in piece.chords if c.tick < event.end]
            yield _token(event, piece), _symbols(here)


def _recip(length: Fraction, tuplet: tuple[int, int] | None) -> str:
    """A length as written, part of a whole note, as a recip: 3/8 is '4.'."""
    actual, normal = tuplet or (1, 1)
    dots = 1 if length.numerator == 3 else 0
    return _plain(Fraction(actual, normal) / (length * Fraction(2, 3) ** dots)) + "." * dots


def _plain(units: Fraction) -> str:
    """Units to a whole note as a recip: 4 '4', 1/2 '0', 3/2 '3%2'."""
    if units == Fraction(1, 2):
        return "0"
    below = f"%{units.denominator}" if units.denominator > 1 else ""
    return f"{units.numerator}{below}"


def _token(event: Event, piece: Piece) -> str:
    recip = _recip(piece.length, event.tuplet)
    if event.pitch is None:
        return f"{recip}r"
    octave = octave_of(event.pitch, event.name)
    letter = event.name[0].lower() * (octave - 3) if octave >= 4 else event.name[0] * (4 - octave)
    note = recip + letter + event.name[1:].replace("b", "-")
    if piece.tie_start:
        return f"{note}_" if piece.tie_stop else f"[{note}"
    return f"{note}]" if piece.tie_stop else note


def _symbols(chords: Sequence[Chord]) -> str:
    return " ".join(" ".join(c.symbol for c in chords).split()) or "."
