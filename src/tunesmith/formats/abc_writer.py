"""Writing melodies as ABC."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tunesmith.formats.abc_fields import signature_of
from tunesmith.formats.layout import Event, LaidBar, Piece, lay_out
from tunesmith.melody import Key, Melody
from tunesmith.theory import octave_of

_UNIT = Fraction(1, 8)
_BARS_A_LINE = 4
_ACCIDENTALS = {-2: "__", -1: "_", 0: "=", 1: "^", 2: "^^"}
_MODES = {
    "major": "", "minor": "m", "dorian": "dor", "phrygian": "phr", "lydian": "lyd",
    "mixolydian": "mix", "locrian": "loc",
}  # fmt: skip


def dumps(melodies: Sequence[Melody]) -> bytes:
    """The melodies as one ABC file in UTF-8, numbered from X:1, an empty line between them.

    Times that no note value or tuplet can spell are moved as `lay_out` says.
    """
    return "\n".join(_tune(m, number) for number, m in enumerate(melodies, 1)).encode()


def _tune(melody: Melody, number: int) -> str:
    tempo = 120.0 if melody.tempo is None else melody.tempo
    lines = [
        f"X:{number}",
        f"T:{_one_line(melody.title)}",
        f"M:{melody.meters[0]}",
        f"L:{_UNIT}",
        f"Q:1/4={tempo:.6g}",
        f"K:{_key(melody.key)}",
    ]
    bars = lay_out(melody).bars
    signature = signature_of(melody.key.sharps) if melody.key else {}
    texts: list[str] = []
    for n, bar in enumerate(bars):
        field = f"[M:{bar.bar.meter}]" if n and bar.meter_changes else ""
        sign = "|]" if n == len(bars) - 1 else "|"
        texts.append(f"{field}{_bar(bar, signature)} {sign}")
    first = _BARS_A_LINE + (1 if melody.pickup else 0)
    starts = [0, *range(first, len(texts), _BARS_A_LINE)]
    lines += [" ".join(texts[a:b]) for a, b in zip(starts, [*starts[1:], None], strict=True)]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.replace("%", r"\%").split())


def _key(key: Key | None) -> str:
    return key.tonic + _MODES[key.mode] if key else "none"


def _bar(bar: LaidBar, signature: dict[str, int]) -> str:
    held = _Accidentals(signature)
    beat = bar.bar.meter.beat_ticks
    out: list[str] = []
    pieces = bar.pieces()
    for n, event in enumerate(bar.events):
        if n and (event.onset - bar.bar.end) % beat == 0:
            out.append(" ")  # beams end with the beat
        tuplet = _tuplet(bar.events[n:], pieces[n:]) if event.tuplet_start else ""
        for piece in pieces[n]:
            symbols = (_one_line(c.symbol).replace('"', "") for c in piece.chords)
            out += [f'"{symbol}"' for symbol in symbols]
            name = "z" if event.pitch is None else _note(event.pitch, event.name, held)
            tie = "-" if piece.tie_start and event.pitch is not None else ""
            out.append(tuplet + name + _length(piece) + tie)
            tuplet = ""
    return "".join(out)


class _Accidentals:
    """What holds in a bar, under both customs: for one octave, and for all of them.

    An accidental is written wherever either custom would read the note wrongly.
    """

    def __init__(self, signature: dict[str, int]) -> None:
        self.signature = signature
        self.by_letter: dict[str, int] = {}
        self.by_place: dict[tuple[str, int], int] = {}

    def needed(self, letter: str, octave: int, alter: int) -> bool:
        """Whether the note needs an accidental; if so it is taken as written."""
        plain = self.signature.get(letter, 0)
        place = letter, octave
        if self.by_letter.get(letter, plain) == self.by_place.get(place, plain) == alter:
            return False
        self.by_letter[letter] = self.by_place[place] = alter
        return True


def _note(pitch: int, name: str, held: _Accidentals) -> str:
    letter, alter = name[0], name.count("#") - name[1:].count("b")
    octave = octave_of(pitch, name)
    accidental = _ACCIDENTALS[alter] if held.needed(letter, octave, alter) else ""
    if octave >= 5:
        return accidental + letter.lower() + "'" * (octave - 5)
    return accidental + letter + "," * (4 - octave)


def _length(piece: Piece) -> str:
    units = piece.length / _UNIT
    above = "" if units.numerator == 1 else str(units.numerator)
    return above if units.denominator == 1 else f"{above}/{units.denominator}"


def _tuplet(events: Sequence[Event], pieces: Sequence[Sequence[Piece]]) -> str:
    """The sign before a tuplet: '(3', or in full as '(5:4:6'."""
    assert events[0].tuplet
    p, q = events[0].tuplet
    last = next(i for i, e in enumerate(events) if e.tuplet_stop)
    count = sum(map(len, pieces[: last + 1]))
    return "(3" if (p, q, count) == (3, 2, 3) else f"({p}:{q}:{count}"
