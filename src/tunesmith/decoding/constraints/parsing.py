"""What users type for constraints, as values; every refusal says what would do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeVar

from tunesmith.errors import InputError, UsageError
from tunesmith.formats import harmony
from tunesmith.melody import WHOLE, Meter, pitch_class
from tunesmith.theory import SCALES
from tunesmith.tokens.table import TICKS_PER_STEP

T = TypeVar("T")
STEPS_PER_WHOLE = WHOLE // TICKS_PER_STEP
_PITCH = re.compile(r"([A-Ga-g](?:##|#|bb|b|))(-?\d+)")
_DEGREE_SEMITONES = ({0}, {2}, {3, 4}, {5}, {7}, {8, 9}, {10, 11})
"""Of each degree, where no mode says which."""


def parse_class(text: str) -> int:
    """A pitch class as typed: 'D', 'f#', 'Bb'; 0 to 11.

    Raises:
        UsageError: if it is none.
    """
    try:
        return pitch_class(text[:1].upper() + text[1:])
    except InputError:
        raise UsageError(f"'{text}' is no pitch class", remedy="write it as D, F# or Bb") from None


def parse_pitch(text: str) -> int:
    """A pitch as typed: 'D4', 'F#5'; MIDI number, C4 = 60.

    Raises:
        UsageError: if it is none, or outside MIDI.
    """
    match = _PITCH.fullmatch(text.strip())
    if not match:
        raise UsageError(f"'{text}' is no pitch", remedy="write it as D4, F#5 or Bb3")
    name = match[1][0].upper() + match[1][1:]
    natural = pitch_class(name[0])
    pitch = 12 * (int(match[2]) + 1) + natural + name.count("#") - name[1:].count("b")
    if not 0 <= pitch <= 127:
        raise UsageError(f"the pitch {text} is outside MIDI", remedy="use C-1 to G9")
    return pitch


def parse_classes(text: str) -> tuple[int, ...]:
    """Pitch classes, separated by spaces or commas, in their order, each once.

    Raises:
        UsageError: if one is none, or there is none.
    """
    names = text.replace(",", " ").split()
    if not names:
        raise UsageError("no pitch classes", remedy='write them as "C D Eb G A"')
    return tuple(dict.fromkeys(parse_class(n) for n in names))


def parse_range(text: str) -> tuple[int, int]:
    """'D4:B5' as the lowest and the highest pitch.

    Raises:
        UsageError: if it is no range.
    """
    low, high = _pair(text, "range", "D4:B5", parse_pitch)
    if low > high:
        raise UsageError(f"the range {text} is upside down", remedy=f"write {text_of_range(text)}")
    return low, high


def text_of_range(text: str) -> str:
    """The same ends the other way round."""
    low, _, high = text.partition(":")
    return f"{high}:{low}"


def _pair(text: str, what: str, example: str, read: Callable[[str], T]) -> tuple[T, T]:
    low, colon, high = text.partition(":")
    if not colon or ":" in high:
        raise UsageError(f"'{text}' is no {what}", remedy=f"write it as {example}")
    return read(low.strip()), read(high.strip())


def parse_counts(text: str) -> tuple[int, int]:
    """'2:8' as two counts, 0 or more, the first not the larger.

    Raises:
        UsageError: if it is none.
    """

    def count(part: str) -> int:
        if not re.fullmatch(r"\d{1,3}", part):
            raise UsageError(f"'{part}' is no number of notes", remedy="write both, as 2:8")
        return int(part)

    low, high = _pair(text, "pair of counts", "2:8", count)
    if low > high:
        raise UsageError(f"{text} is upside down", remedy=f"write {high}:{low}")
    return low, high


def parse_shares(text: str) -> tuple[Fraction, Fraction]:
    """'0:0.2' or '5%:20%' as two exact shares of one.

    Raises:
        UsageError: if it is none.
    """

    def share(part: str) -> Fraction:
        if not re.fullmatch(r"(\d{1,6}(\.\d{1,9})?|\.\d{1,9})%?", part):
            raise UsageError(f"'{part}' is no share", remedy="write 0:0.2 or 5%:20%")
        value = Fraction(part.removesuffix("%")) / (100 if part.endswith("%") else 1)
        if value > 1:
            raise UsageError(f"a share of {part}", remedy="use 0 to 1, or 0% to 100%")
        return value

    low, high = _pair(text, "pair of shares", "0:0.2", share)
    if low > high:
        raise UsageError(f"{text} is upside down", remedy="put the smaller share first")
    return low, high


def parse_length(text: str) -> int:
    """'1/8' as steps of the grid.

    Raises:
        UsageError: if it is no length, or between the steps.
    """
    match = re.fullmatch(r"(\d{1,4})(?:/(\d{1,4}))?", text.strip())
    value = Fraction(int(match[1]), int(match[2] or 1)) if match and match[2] != "0" else None
    if not value or value > 16:
        raise UsageError(f"'{text}' is no length", remedy="write parts of a whole note, as 3/8")
    steps = value * STEPS_PER_WHOLE
    if steps.denominator > 1:
        raise UsageError(
            f"a length of {text} lies between the steps of the grid",
            remedy=f"use multiples of 1/{STEPS_PER_WHOLE}: thirty-seconds and triplets",
        )
    return int(steps)


def parse_lengths(text: str) -> tuple[int, ...]:
    """'1/8,1/4' as steps, smallest first, each once.

    Raises:
        UsageError: if one is none, or there is none.
    """
    parts = text.replace(",", " ").split()
    if not parts:
        raise UsageError("no note values", remedy="write them as 1/8,1/4")
    return tuple(sorted({parse_length(p) for p in parts}))


def parse_rhythm(text: str) -> tuple[tuple[int, bool], ...]:
    """'1/4 1/8 r1/8' as (steps, whether it is a note).

    Raises:
        UsageError: if a part is no length, or none is a note.
    """
    parts = text.replace(",", " ").split()
    row = tuple((parse_length(p.removeprefix("r")), not p.startswith("r")) for p in parts)
    if not any(is_note for _, is_note in row):
        raise UsageError(f"the rhythm '{text}' has no note", remedy='write it as "1/4 1/8 r1/8"')
    return row


def parse_pickup(text: str | bool) -> bool | int:
    """'yes', 'no' or a length: whether there is a pickup, or its steps.

    Raises:
        UsageError: for anything else.
    """
    if isinstance(text, bool):
        return text
    if text.lower() in ("yes", "no"):
        return text.lower() == "yes"
    try:
        return parse_length(text)
    except UsageError as e:
        raise UsageError(f"a pickup of '{text}'", remedy="use yes, no or a length as 1/8") from e


def parse_meter(text: str) -> Meter:
    """'6/8' as a metre.

    Raises:
        UsageError: if it is none.
    """
    try:
        numerator, denominator = map(int, text.split("/"))
        return Meter(0, numerator, denominator)
    except (ValueError, InputError):
        raise UsageError(f"'{text}' is no metre", remedy="write it as 4/4, 3/4 or 6/8") from None


class Degrees:
    """What a degree is, as a set of pitch classes.

    Args:
        tonic: pitch class, or None.
        mode: or None.
        scale: the pitch classes as written, where there is no tonic.
    """

    def __init__(self, tonic: int | None, mode: str | None, scale: Sequence[int] | None) -> None:
        self._degrees: list[frozenset[int]] = []
        if tonic is not None:
            steps = [{s} for s in SCALES[mode]] if mode else _DEGREE_SEMITONES
            self._degrees = [frozenset((tonic + s) % 12 for s in some) for some in steps]
        elif scale is not None:
            self._degrees = [frozenset({c}) for c in scale]

    def __len__(self) -> int:
        return len(self._degrees)

    def classes(self, degree: int) -> frozenset[int]:
        """The pitch classes of a degree, from 1.

        Raises:
            UsageError: if there is no such degree.
        """
        if not self._degrees:
            raise UsageError(
                f"degree {degree} of no key", remedy="name the key with --key and --mode"
            )
        if not 1 <= degree <= min(7, len(self._degrees)):
            raise UsageError(
                f"degree {degree} of a scale of {len(self._degrees)}",
                remedy=f"use 1 to {min(7, len(self._degrees))}",
            )
        return self._degrees[degree - 1]

    def some(self, *degrees: int) -> frozenset[int]:
        """The pitch classes of all these degrees, as far as there are such."""
        self.classes(1)
        return frozenset().union(*(self._degrees[d - 1] for d in degrees if d <= len(self)))


def parse_goal(text: str, degrees: Degrees) -> frozenset[int]:
    """A degree, a pitch class or a pitch as the set of pitches that it is.

    Raises:
        UsageError: if it is none of these.
    """
    text = str(text).strip()
    if re.fullmatch(r"\d", text):
        classes = degrees.classes(int(text))
    elif re.search(r"\d", text):
        return frozenset({parse_pitch(text)})
    else:
        try:
            classes = frozenset({parse_class(text)})
        except UsageError:
            raise UsageError(
                f"'{text}' is no degree, pitch or pitch class", remedy="write it as 1, D4 or D"
            ) from None
    return frozenset(p for p in range(128) if p % 12 in classes)


_TONES = {
    "major": (0, 4, 7), "minor": (0, 3, 7), "augmented": (0, 4, 8), "diminished": (0, 3, 6),
    "dominant": (0, 4, 7, 10), "major-seventh": (0, 4, 7, 11), "minor-seventh": (0, 3, 7, 10),
    "diminished-seventh": (0, 3, 6, 9), "augmented-seventh": (0, 4, 8, 10),
    "half-diminished": (0, 3, 6, 10), "major-minor": (0, 3, 7, 11),
    "major-sixth": (0, 4, 7, 9), "minor-sixth": (0, 3, 7, 9),
    "dominant-ninth": (0, 4, 7, 10, 2), "major-ninth": (0, 4, 7, 11, 2),
    "minor-ninth": (0, 3, 7, 10, 2), "dominant-11th": (0, 4, 7, 10, 2, 5),
    "major-11th": (0, 4, 7, 11, 2, 5), "minor-11th": (0, 3, 7, 10, 2, 5),
    "dominant-13th": (0, 4, 7, 10, 2, 5, 9), "major-13th": (0, 4, 7, 11, 2, 5, 9),
    "minor-13th": (0, 3, 7, 10, 2, 5, 9), "suspended-second": (0, 2, 7),
    "suspended-fourth": (0, 5, 7), "power": (0, 7),
}  # fmt: skip
_NATURAL = (0, 2, 4, 5, 7, 9, 11)
_GONE = {3: {3, 4}, 5: {6, 7, 8}, 7: {9, 10, 11}}


def chord_classes(symbol: str) -> frozenset[int]:
    """The pitch classes of a chord symbol; all twelve for 'N.C.'.

    Raises:
        UsageError: if it is not understood.
    """
    if symbol == harmony.NO_CHORD:
        return frozenset(range(12))
    match = harmony._SYMBOL.fullmatch(symbol)
    parsed = harmony._parse(match[2]) if match else None
    if not match or not parsed:
        raise UsageError(
            f"the chord '{symbol}' is not understood", remedy="write it as C, Dm7, G7/B or N.C."
        )
    kind, changes = parsed
    tones = set(_TONES[kind])
    for change in changes:
        natural = _NATURAL[(change.value - 1) % 7]
        if change.kind == "subtract":
            tones -= _GONE.get(change.value, {natural})
            continue
        if change.kind == "alter":
            flat = {natural - 1} if change.value in (3, 7) else set()
            tones -= {natural} | flat
        tones.add((natural + change.alter) % 12)
    root = pitch_class(match[1])
    bass = {pitch_class(match[3])} if match[3] else set()
    return frozenset((root + t) % 12 for t in tones) | bass


def split_chords(text: str) -> tuple[tuple[str, ...], ...]:
    """'Dm7 | G7 C' as the symbols of each bar.

    Raises:
        UsageError: if a bar is empty.
    """
    bars = text.strip().removeprefix("|").removesuffix("|").split("|")
    for number, bar in enumerate(bars, 1):
        if not bar.split():
            raise UsageError(
                f"bar {number} of the chords is empty", remedy='write "Dm7 | G7 | C"; N.C. is none'
            )
    return tuple(tuple(bar.split()) for bar in bars)


def parse_chords(text: str) -> tuple[tuple[frozenset[int], ...], ...]:
    """'Dm7 | G7 C' as pitch classes of the chords of each bar.

    Raises:
        UsageError: if a bar is empty or a symbol is not understood.
    """
    return tuple(tuple(chord_classes(s) for s in bar) for bar in split_chords(text))
